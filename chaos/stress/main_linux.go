package stress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Main is the body of the hidden command `brunt stress MARK ORDERS`: a helper.
// It does the work until its lifeline, which is its standard input, breaks, its
// time is up, or SIGTERM. It returns the exit code.
func Main(args []string) int {
	if len(args) != 2 || !strings.HasPrefix(args[0], mark) {
		fmt.Fprintln(os.Stderr, "brunt stress: brunt itself starts it")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, strings.TrimPrefix(args[0], mark), args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

// serve is a helper's life. It closes its files before it returns, so that
// their space is free when the process has ended.
func serve(ctx context.Context, id, data string, lifeline io.Reader, ready io.Writer) (err error) {
	o, err := parse([]byte(data))
	if err != nil {
		return fmt.Errorf("read orders: %w", err)
	}
	if !goodID(id) {
		return fmt.Errorf("read orders: %q is no receipt's ID", id)
	}
	ctx, cancel := context.WithTimeout(ctx, o.TTL)
	defer cancel()
	go func() { // ends with the process, or when its reader does
		_, _ = io.Copy(io.Discard, lifeline)
		cancel()
	}()
	// When memory runs out, the kernel should end this process before any other.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	// The machine may have changed since Prepare.
	if err := o.affordable(available, space); err != nil {
		return err
	}
	jobs, closeFiles, err := o.jobs(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFiles()) }()
	// One thread for each worker, and some that see the end coming.
	runtime.GOMAXPROCS(len(jobs) + 2)
	if _, err := fmt.Fprintln(ready, begun); err != nil {
		return fmt.Errorf("say that it has begun: %w", err)
	}
	var working sync.WaitGroup
	for _, job := range jobs {
		working.Go(func() { job(ctx) })
	}
	<-ctx.Done()
	working.Wait()
	return nil
}

// jobs are what a helper does, each in a goroutine of its own until its context
// ends. The files they need are open; close closes them.
func (o orders) jobs(id string) (jobs []func(context.Context), closeFiles func() error, err error) {
	var files []*os.File
	closeFiles = func() error {
		var errs []error
		for _, file := range files {
			errs = append(errs, file.Close())
		}
		return errors.Join(errs...)
	}
	open := func(name string) (*os.File, error) {
		file, err := scratch(name)
		if err == nil {
			files = append(files, file)
		}
		return file, err
	}
	if o.IO != nil {
		for _, name := range o.ioFiles(id) {
			file, err := open(name)
			if err != nil {
				return nil, nil, errors.Join(err, closeFiles())
			}
			jobs = append(jobs, func(ctx context.Context) { churn(ctx, file, *o.IO, space) })
		}
	}
	if o.Fill != nil {
		file, err := open(o.fillFile(id))
		if err != nil {
			return nil, nil, errors.Join(err, closeFiles())
		}
		jobs = append(jobs, func(ctx context.Context) { _ = fill(ctx, file, *o.Fill, space, allocate) }) // what it lacks, Verify sees
	}
	if o.Memory != nil {
		jobs = append(jobs, func(ctx context.Context) { _ = occupy(ctx, *o.Memory, available) })
	}
	if o.CPU != nil {
		for range o.CPU.Workers {
			jobs = append(jobs, func(ctx context.Context) { burn(ctx, o.CPU.Load) })
		}
	}
	return jobs, closeFiles, nil
}

// scratch makes a file that nobody else has made, and unlinks it: its space
// goes when the process does.
func scratch(name string) (*os.File, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make file: %w", err)
	}
	if err := os.Remove(name); err != nil {
		return nil, errors.Join(fmt.Errorf("unlink file: %w", err), file.Close())
	}
	return file, nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
