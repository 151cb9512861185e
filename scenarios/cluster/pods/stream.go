package pods

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
)

// A stream is a worker in a pod, attached.
type stream struct {
	connection *connection
	pod        pod
	in         *io.PipeWriter // to its standard input
	out        *io.PipeReader // from its standard output
	cancel     context.CancelFunc
	done       chan struct{} // closed when the stream has ended
	err        error         // how; read after done

	mu   sync.Mutex
	lost bool // its fate was asked for: it is not to go on
}

// attach connects to a worker. It returns at once; a stream that cannot be made
// ends, and says why.
func attach(c *connection, p pod) *stream {
	stdin, in := io.Pipe()
	out, stdout := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{connection: c, pod: p, in: in, out: out, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = s.connect(ctx, stdin, stdout)
		why := s.err
		if why == nil {
			why = io.EOF
		}
		_ = stdout.CloseWithError(why)
		_ = stdin.CloseWithError(io.ErrClosedPipe)
	}()
	return s
}

func (s *stream) connect(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	request := s.connection.rest.Post().Namespace(s.connection.namespace).Resource("pods").Name(s.pod.name).SubResource("attach").
		Param("container", container).Param("stdin", "true").Param("stdout", "true")
	// The API server takes the WebSocket's GET, and SPDY's POST.
	web, err := remotecommand.NewWebSocketExecutor(s.connection.config, http.MethodGet, request.URL().String())
	if err != nil {
		return fmt.Errorf("attach to pod %s: %w", s.pod.name, err)
	}
	spdy, err := remotecommand.NewSPDYExecutor(s.connection.config, http.MethodPost, request.URL())
	if err != nil {
		return fmt.Errorf("attach to pod %s: %w", s.pod.name, err)
	}
	either, err := remotecommand.NewFallbackExecutor(web, spdy, httpstream.IsUpgradeFailure)
	if err != nil {
		return fmt.Errorf("attach to pod %s: %w", s.pod.name, err)
	}
	if err := either.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: stdin, Stdout: stdout}); err != nil {
		return fmt.Errorf("attached to pod %s: %w", s.pod.name, err)
	}
	return nil
}

func (s *stream) Read(b []byte) (int, error)  { return s.out.Read(b) }
func (s *stream) Write(b []byte) (int, error) { return s.in.Write(b) }

func (s *stream) Where() string { return "pod " + s.pod.name + " on " + s.pod.node }

// Fate asks the API server what became of the pod. The kubelet tells it a
// moment after the stream has ended.
func (s *stream) Fate(ctx context.Context) string {
	s.mu.Lock()
	s.lost = true
	s.mu.Unlock()
	last := ""
	for {
		found, err := s.connection.dynamic.Resource(pods).Namespace(s.connection.namespace).Get(ctx, s.pod.name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return "its pod is gone"
		case err != nil && ctx.Err() != nil:
			return last
		case err != nil:
			last = "what became of its pod cannot be asked: " + err.Error()
		default:
			if p := podOf(found); p.fate != "" {
				return p.fate
			}
			last = "its pod is still there"
		}
		if err := pause(ctx, lookEvery/2); err != nil {
			return last
		}
	}
}

// Close ends the stream, with which the worker ends too. A lost worker may not
// be able to, so its pod is deleted.
func (s *stream) Close(ctx context.Context) error {
	_ = s.in.Close() // never fails
	s.cancel()
	select {
	case <-s.done:
	case <-ctx.Done():
		return fmt.Errorf("end the stream to pod %s: %w", s.pod.name, context.Cause(ctx))
	}
	_ = s.out.Close()
	s.mu.Lock()
	lost := s.lost
	s.mu.Unlock()
	if !lost {
		return nil
	}
	now := int64(0)
	err := s.connection.dynamic.Resource(pods).Namespace(s.connection.namespace).Delete(ctx, s.pod.name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete pod %s: %w", s.pod.name, err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
