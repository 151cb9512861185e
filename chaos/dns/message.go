package dns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	headerLength = 12
	maxMessage   = 64 << 10
	// ednsSize is the size of UDP messages that we take, the one that fits
	// every path (DNS flag day 2020).
	ednsSize = 1232
	// optionError is the EDNS option of extended errors, errorForged its
	// "forged answer" (RFC 8914).
	optionError = 15
	errorForged = 4
	// optionProbe marks brunt's own queries; it is from the range for local
	// use, and whoever does not know it passes it over (RFC 6891).
	optionProbe = 65001
	probeMark   = "brunt"
)

// A query is what matters of a message that asks one question.
type query struct {
	header   dnsmessage.Header
	question dnsmessage.Question
	name     string // canonical
	edns     bool
	probe    bool // brunt's own
}

// parseQuery reads a query. An error says that it is none of the sort that
// rules are about: it is then forwarded as it is.
func parseQuery(message []byte) (query, error) {
	var p dnsmessage.Parser
	var q query
	var err error
	if q.header, err = p.Start(message); err != nil {
		return query{}, fmt.Errorf("read query: %w", err)
	}
	if q.header.Response || q.header.OpCode != 0 {
		return query{}, errors.New("read query: it is not one")
	}
	questions, err := p.AllQuestions()
	if err != nil {
		return query{}, fmt.Errorf("read query: %w", err)
	}
	if len(questions) != 1 {
		return query{}, fmt.Errorf("read query: %d questions", len(questions))
	}
	q.question = questions[0]
	q.name = canonical(q.question.Name.String())
	if err := errors.Join(p.SkipAllAnswers(), p.SkipAllAuthorities()); err != nil {
		return query{}, fmt.Errorf("read query: %w", err)
	}
	options, edns, err := readOptions(&p)
	if err != nil {
		return query{}, fmt.Errorf("read query: %w", err)
	}
	q.edns = edns
	for _, o := range options {
		q.probe = q.probe || o.Code == optionProbe && string(o.Data) == probeMark
	}
	return q, nil
}

// readOptions reads a message's additional section for its EDNS options.
func readOptions(p *dnsmessage.Parser) (options []dnsmessage.Option, edns bool, err error) {
	for {
		header, err := p.AdditionalHeader()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return options, edns, nil
		case err != nil:
			return nil, false, err
		case header.Type != dnsmessage.TypeOPT:
			if err := p.SkipAdditional(); err != nil {
				return nil, false, err
			}
			continue
		}
		record, err := p.OPTResource()
		if err != nil {
			return nil, false, err
		}
		options, edns = append(options, record.Options...), true
	}
}

// rcodes of the ways to fail that say something.
var rcodes = map[string]dnsmessage.RCode{
	failNXDomain: dnsmessage.RCodeNameError,
	failServfail: dnsmessage.RCodeServerFailure,
	failRefused:  dnsmessage.RCodeRefused,
}

// forge makes the answer that a rule gives to a query, in its owner's name.
func forge(q query, r Rule, owner string) ([]byte, error) {
	code := rcodes[r.Fail] // success, where the rule answers
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{
		ID: q.header.ID, Response: true, RCode: code,
		RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true,
	})
	b.EnableCompression()
	err := errors.Join(b.StartQuestions(), b.Question(q.question), b.StartAnswers())
	found := 0
	for _, address := range r.Answer {
		header := dnsmessage.ResourceHeader{Name: q.question.Name, Class: q.question.Class, TTL: uint32(r.AnswerTTL / time.Second)}
		switch kind := q.question.Type; {
		case address.Is4() && (kind == dnsmessage.TypeA || kind == dnsmessage.TypeALL):
			err = errors.Join(err, b.AResource(header, dnsmessage.AResource{A: address.As4()}))
		case address.Is6() && (kind == dnsmessage.TypeAAAA || kind == dnsmessage.TypeALL):
			err = errors.Join(err, b.AAAAResource(header, dnsmessage.AAAAResource{AAAA: address.As16()}))
		default:
			continue
		}
		found++
	}
	if found == 0 && (code == dnsmessage.RCodeSuccess || code == dnsmessage.RCodeNameError) {
		err = errors.Join(err, b.StartAuthorities(), b.SOAResource(
			dnsmessage.ResourceHeader{Name: q.question.Name, Class: q.question.Class, TTL: uint32(r.AnswerTTL / time.Second)},
			dnsmessage.SOAResource{NS: soaName, MBox: soaName, Serial: 1, Refresh: 1, Retry: 1, Expire: 1, MinTTL: uint32(r.AnswerTTL / time.Second)},
		))
	}
	if q.edns {
		var header dnsmessage.ResourceHeader
		err = errors.Join(err, header.SetEDNS0(ednsSize, code, false), b.StartAdditionals(),
			b.OPTResource(header, dnsmessage.OPTResource{Options: []dnsmessage.Option{{
				Code: optionError, Data: append(binary.BigEndian.AppendUint16(nil, errorForged), owner...),
			}}}))
	}
	if err != nil {
		return nil, fmt.Errorf("forge answer: %w", err)
	}
	return b.Finish()
}

// soaName stands where a zone's server and mailbox would.
var soaName = dnsmessage.MustNewName("brunt.invalid.")

// refuse makes an answer that only says that the server failed. It is what
// the resolver says for itself when its upstream cannot be reached.
func refuse(q query) ([]byte, error) {
	return forge(query{header: q.header, question: q.question}, Rule{Fail: failServfail}, "")
}

// ask makes one of brunt's own queries.
func ask(id uint16, name string, kind dnsmessage.Type) ([]byte, error) {
	full, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", name, err)
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	var header dnsmessage.ResourceHeader
	err = errors.Join(
		b.StartQuestions(),
		b.Question(dnsmessage.Question{Name: full, Type: kind, Class: dnsmessage.ClassINET}),
		header.SetEDNS0(ednsSize, dnsmessage.RCodeSuccess, false),
		b.StartAdditionals(),
		b.OPTResource(header, dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: optionProbe, Data: []byte(probeMark)}}}),
	)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", name, err)
	}
	return b.Finish()
}

// A reply is what matters of an answer to one of brunt's own queries.
type reply struct {
	code      dnsmessage.RCode
	addresses []netip.Addr
	forgedBy  string // the owner of the rule that forged it; empty for the truth
}

// parseReply reads an answer.
func parseReply(message []byte) (reply, error) {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil {
		return reply{}, fmt.Errorf("read answer: %w", err)
	}
	if !header.Response {
		return reply{}, errors.New("read answer: it is a query")
	}
	r := reply{code: header.RCode}
	if err := p.SkipAllQuestions(); err != nil {
		return reply{}, fmt.Errorf("read answer: %w", err)
	}
	answers, err := p.AllAnswers()
	if err != nil {
		return reply{}, fmt.Errorf("read answer: %w", err)
	}
	for _, answer := range answers {
		switch body := answer.Body.(type) {
		case *dnsmessage.AResource:
			r.addresses = append(r.addresses, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			r.addresses = append(r.addresses, netip.AddrFrom16(body.AAAA))
		}
	}
	if err := p.SkipAllAuthorities(); err != nil {
		return reply{}, fmt.Errorf("read answer: %w", err)
	}
	options, _, err := readOptions(&p)
	if err != nil {
		return reply{}, fmt.Errorf("read answer: %w", err)
	}
	for _, o := range options {
		if o.Code == optionError && len(o.Data) > 2 && binary.BigEndian.Uint16(o.Data) == errorForged {
			r.forgedBy = string(o.Data[2:])
		}
	}
	return r, nil
}
