package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/chaos"
)

// picture makes the image of a process that may be limited, and refuses what
// could not be undone again.
func (l limits) picture(id identity, mark string) (image, error) {
	var i image
	var err error
	if i.Moves, err = l.moves(id, mark); err != nil {
		return image{}, fmt.Errorf("limit %s: %w", id, err)
	}
	if l.Nice != 0 {
		if i.Nice, err = id.nice(); err != nil {
			return image{}, err
		}
		if least := slices.Min(slices.Collect(maps.Values(i.Nice))); least == l.Nice {
			return image{}, fmt.Errorf("%s has nice %d already", id, l.Nice)
		}
		if ok, err := chaos.Capable(chaos.CapSysNice); err != nil || !ok {
			return image{}, errors.Join(err, fmt.Errorf("lower the nice of %s, now or when it is undone: CAP_SYS_NICE is needed", id))
		}
	}
	if l.Files > 0 {
		now, err := id.files()
		if err != nil {
			return image{}, err
		}
		if l.Files >= now.Soft {
			return image{}, fmt.Errorf("%s may have %d files open: %d is no limit", id, now.Soft, l.Files)
		}
		i.Files = &now
	}
	return i, nil
}

// writable refuses a folder in which no control group can be made.
func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("make a control group in %s: %w: root is needed, or a group that was handed over to this user", dir, err)
	}
	return nil
}

// limit sets the limits on one process.
func (l limits) limit(id identity, i image) error {
	for _, m := range i.Moves {
		if err := m.make(id); err != nil {
			return err
		}
	}
	if l.Nice != 0 {
		if err := id.setNice(func(int, int) (int, bool) { return l.Nice, true }); err != nil {
			return err
		}
	}
	if i.Files != nil {
		return id.setFiles(fileLimit{Soft: l.Files, Hard: i.Files.Hard})
	}
	return nil
}

// lift restores what is still as the fault has set it. What someone else has
// changed since is left alone and reported.
func (l limits) lift(id identity, i image) error {
	var errs []error
	for _, m := range i.Moves {
		_, elsewhere, err := m.has(id)
		if err == nil && elsewhere != "" {
			if now, _ := id.look(); now != gone {
				err = &chaos.ConflictError{Target: id.String(), Want: "control group " + m.To, Found: "control group " + elsewhere}
			}
		}
		errs = append(errs, err, m.takeBack())
	}
	switch now, err := id.look(); {
	case err != nil:
		return errors.Join(append(errs, err)...)
	case now == gone:
		return errors.Join(errs...)
	}
	if l.Nice != 0 {
		errs = append(errs, l.liftNice(id, i))
	}
	if i.Files != nil {
		errs = append(errs, l.liftFiles(id, *i.Files))
	}
	return errors.Join(errs...)
}

func (l limits) liftNice(id identity, i image) error {
	found := 0
	err := id.setNice(func(tid, now int) (int, bool) {
		before, known := i.Nice[tid]
		if !known {
			before = i.Nice[id.Pid] // a thread born since has what it was born under
		}
		if now != l.Nice && now != before && !slices.Contains(slices.Collect(maps.Values(i.Nice)), now) {
			found = now
			return 0, false
		}
		return before, now == l.Nice
	})
	if err == nil && found != 0 {
		return &chaos.ConflictError{Target: id.String(), Want: fmt.Sprintf("nice %d", l.Nice), Found: fmt.Sprintf("nice %d", found)}
	}
	return err
}

func (l limits) liftFiles(id identity, before fileLimit) error {
	now, err := id.files()
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil || now == before {
		return err
	}
	if set := (fileLimit{Soft: l.Files, Hard: before.Hard}); now != set {
		return &chaos.ConflictError{Target: id.String(), Want: fmt.Sprintf("%d open files of %d", set.Soft, set.Hard), Found: fmt.Sprintf("%d of %d", now.Soft, now.Hard)}
	}
	return id.setFiles(before)
}

// look says whether one process is limited: by /proc, which is another path
// than the one that set it. A process that is gone is not.
func (l limits) look(id identity, i image) (chaos.State, error) {
	here, err := id.look()
	if err != nil {
		return "", err
	}
	set, unset := 0, 0
	count := func(is bool) {
		if is {
			set++
		} else {
			unset++
		}
	}
	for _, m := range i.Moves {
		inside, elsewhere := false, ""
		if here != gone {
			if inside, elsewhere, err = m.has(id); err != nil {
				return "", err
			}
		}
		if elsewhere != "" {
			return chaos.Conflict, &chaos.ConflictError{Target: id.String(), Want: "control group " + m.To, Found: "control group " + elsewhere}
		}
		if inside {
			holds, err := m.holds()
			if err != nil {
				return "", err
			}
			if !holds {
				return chaos.Conflict, &chaos.ConflictError{Target: "control group " + m.To, Want: "the limits of the fault", Found: "others"}
			}
		} else if _, err := os.Stat(m.To); err == nil {
			return "", fmt.Errorf("control group %s is there, and %s is not in it", m.To, id)
		}
		count(inside)
	}
	if here == gone {
		return chaos.Gone, nil
	}
	if l.Nice != 0 {
		now, err := id.nice()
		if err != nil {
			return "", err
		}
		all, none := true, true
		for tid, nice := range now {
			before, known := i.Nice[tid]
			all = all && nice == l.Nice
			none = none && (nice != l.Nice || known && before == l.Nice)
		}
		if !all && !none {
			return "", fmt.Errorf("look at %s: some threads have nice %d and some have not", id, l.Nice)
		}
		count(all)
	}
	if i.Files != nil {
		now, err := id.files()
		if err != nil {
			return "", err
		}
		count(now.Soft == l.Files)
	}
	switch {
	case unset == 0 && set > 0:
		return chaos.Active, nil
	case set == 0:
		return chaos.Gone, nil
	}
	return "", fmt.Errorf("look at %s: %d of %d limits are set", id, set, set+unset)
}

// nice are the nice values of a process's threads, from /proc.
func (id identity) nice() (map[int]int, error) {
	entries, err := os.ReadDir(procPath(id.Pid, "/task"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list threads of %s: %w", id, errGone)
	}
	if err != nil {
		return nil, fmt.Errorf("list threads of %s: %w", id, err)
	}
	all := map[int]int{}
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		s, err := readStat(procPath(id.Pid, "/task/"+entry.Name()+"/stat"))
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all[tid] = s.nice
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("list threads of %s: %w", id, errGone)
	}
	return all, nil
}

// setNice sets the nice value of each thread to what want says of it, given its
// present one, until there is none left to set: threads may be born meanwhile.
func (id identity) setNice(want func(tid, now int) (nice int, set bool)) error {
	const rounds = 20
	for range rounds {
		if now, err := id.look(); err != nil || now == gone {
			return errors.Join(err, errGone)
		}
		all, err := id.nice()
		if err != nil {
			return err
		}
		left := 0
		for tid, now := range all {
			nice, set := want(tid, now)
			if !set || nice == now {
				continue
			}
			left++
			if err := unix.Setpriority(unix.PRIO_PROCESS, tid, nice); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("set the nice of %s: %w", id, err)
			}
		}
		if left == 0 {
			return nil
		}
	}
	return fmt.Errorf("set the nice of %s: it makes threads faster than they can be set", id)
}

// files is how many files the process may have open, from /proc.
func (id identity) files() (fileLimit, error) {
	text, err := os.ReadFile(procPath(id.Pid, "/limits"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return fileLimit{}, fmt.Errorf("look at limits of %s: %w", id, errGone)
	}
	if err != nil {
		return fileLimit{}, fmt.Errorf("look at limits of %s: %w", id, err)
	}
	_, line, ok := strings.Cut(string(text), "Max open files")
	fields := strings.Fields(line)
	if !ok || len(fields) < 2 {
		return fileLimit{}, fmt.Errorf("look at limits of %s: no open files in it", id)
	}
	var l fileLimit
	for i, into := range []*uint64{&l.Soft, &l.Hard} {
		if fields[i] == "unlimited" {
			*into = unix.RLIM_INFINITY
		} else if *into, err = strconv.ParseUint(fields[i], 10, 64); err != nil {
			return fileLimit{}, fmt.Errorf("look at limits of %s: %w", id, err)
		}
	}
	return l, nil
}

// setFiles sets how many files the process may have open. Only the soft limit
// ever changes, so that undoing needs no more than setting did.
func (id identity) setFiles(l fileLimit) error {
	if now, err := id.look(); err != nil || now == gone {
		return errors.Join(err, errGone)
	}
	if err := unix.Prlimit(id.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}, nil); err != nil {
		return fmt.Errorf("limit open files of %s: %w", id, err)
	}
	return nil
}

// Owned finds the limits that are in force on this machine, of whatever run, by
// the names of their control groups. Each receipt is good for Undo and Verify.
// Limits of open files and nice bear no mark, and are not found.
func Owned() ([]chaos.Receipt, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	var receipts []chaos.Receipt
	for _, h := range all {
		dirs, err := ownGroups(h)
		if err != nil {
			return nil, err
		}
		for _, dir := range dirs {
			mark, m := h.read(dir)
			id := "limit-" + mark
			i := slices.IndexFunc(receipts, func(r chaos.Receipt) bool { return r.ID == id })
			if i < 0 {
				i = len(receipts)
				receipts = append(receipts, chaos.Receipt{ID: id, Fault: "limit", Kind: Kind, Class: chaos.Volatile, Boot: boot, Made: madeAt(dir)})
			}
			if err := addMove(&receipts[i], m, boot); err != nil {
				return nil, err
			}
		}
	}
	return receipts, nil
}

// ownGroups are the groups of one hierarchy that have our mark.
func ownGroups(h hierarchy) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(h.mount, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // ended meanwhile, or not ours to look into
		case entry.IsDir() && strings.HasPrefix(entry.Name(), groupMark):
			dirs = append(dirs, path)
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for control groups: %w", err)
	}
	return dirs, nil
}

// read is what a group's name tells: the mark of the receipt that it was made
// under, and the move that undoes it.
func (h hierarchy) read(dir string) (mark string, m move) {
	name, base, unified := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupMark), "@")
	mark, _, _ = strings.Cut(name, "-")
	m = move{From: filepath.Dir(dir), To: dir}
	if unified {
		m.From = filepath.Join(m.From, base)
	}
	for _, controller := range []string{"cpu", "memory"} {
		if slices.Contains(h.controllers, controller) || unified {
			m.Controllers = append(m.Controllers, controller)
		}
	}
	return mark, m
}

// addMove adds to a receipt the process that a group was made for.
func addMove(r *chaos.Receipt, m move, boot string) error {
	d := data{Action: "limit", Boot: boot, Limits: &limits{}}
	if len(r.Data) > 0 {
		var err error
		if d, err = read(*r); err != nil {
			return err
		}
	}
	name, _, _ := strings.Cut(filepath.Base(m.To), "@")
	pid, _ := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:]) // 0 where it is no number: the group is emptied all the same
	id, err := identify(pid)
	if err != nil {
		id = identity{Pid: pid, Name: "ended"}
	}
	if i := slices.IndexFunc(d.Processes, func(p identity) bool { return p.Pid == pid }); i >= 0 {
		d.Images[i].Moves = append(d.Images[i].Moves, m)
	} else {
		d.Processes, d.Images = append(d.Processes, id), append(d.Images, image{Moves: []move{m}})
		r.Targets = append(r.Targets, id.String())
	}
	r.Data, err = json.Marshal(d)
	return err
}

// madeAt is when a group was made, as far as can be told.
func madeAt(dir string) time.Time {
	info, err := os.Stat(dir)
	if err != nil {
		return time.Now().UTC()
	}
	return info.ModTime().UTC()
}
