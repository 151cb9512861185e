package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
)

// labelEntry begins an entry of the allow-list that is about a label.
const labelEntry = "label:"

// checkAllowed refuses an entry of the allow-list that nobody could mean.
func checkAllowed(entry string) error {
	if label, ok := strings.CutPrefix(entry, labelEntry); ok {
		if strings.TrimSpace(label) == "" || strings.HasPrefix(label, "=") {
			return fmt.Errorf("target.containers: %q names no label", entry)
		}
		return nil
	}
	if _, err := path.Match(entry, ""); err != nil || entry == "" {
		return fmt.Errorf("target.containers: %q is no container's name and no pattern of one", entry)
	}
	return nil
}

// isAllowed says whether the allow-list has the container.
func isAllowed(allowed []string, c container) bool {
	return slices.ContainsFunc(allowed, func(entry string) bool {
		if label, ok := strings.CutPrefix(entry, labelEntry); ok {
			key, want, exact := strings.Cut(label, "=")
			value, has := c.Config.Labels[key]
			return has && (!exact || value == want)
		}
		matched, err := path.Match(entry, c.name())
		return err == nil && matched
	})
}

func (c container) name() string { return strings.TrimPrefix(c.Name, "/") }

func (c container) String() string { return fmt.Sprintf("container %s (%s)", c.name(), short(c.ID)) }

// resolve finds the containers that the target means, at this moment.
func (t Target) resolve(ctx context.Context, e engine) ([]container, error) {
	names := []string{t.Name}
	if t.Label != "" {
		var err error
		if names, err = e.running(ctx, t.Label); err != nil {
			return nil, err
		}
	}
	var found []container
	for _, name := range names {
		c, err := e.inspect(ctx, name)
		switch {
		case errors.Is(err, errAbsent) && t.Label != "":
			continue // it has ended since it was listed
		case errors.Is(err, errAbsent):
			return nil, fmt.Errorf("no container is called %s", t.Name)
		case err != nil:
			return nil, err
		case t.Name != "" && c.name() != t.Name:
			// The engine also takes the beginning of an id for a name.
			return nil, fmt.Errorf("no container is called %s", t.Name)
		}
		found = append(found, c)
	}
	slices.SortFunc(found, func(a, b container) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("no running container has label %s: %w", t.Label, chaos.ErrNoTarget)
	case len(found) == 1 || t.Pick == "all":
		return found, nil
	case t.Pick == "oldest":
		return found[:1], nil
	case t.Pick == "newest":
		return found[len(found)-1:], nil
	}
	texts := make([]string, len(found))
	for i, c := range found {
		texts[i] = c.name()
	}
	return nil, fmt.Errorf("%d containers have label %s: %s; say which with pick: oldest, newest or all", len(found), t.Label, strings.Join(texts, ", "))
}

// holdsBrunt says whether brunt itself runs in the container.
func holdsBrunt(id string) bool {
	if host, err := os.Hostname(); err == nil && len(host) >= 12 && strings.HasPrefix(id, host) {
		return true
	}
	for _, file := range []string{"/proc/self/cgroup", "/proc/self/mountinfo"} {
		if text, err := os.ReadFile(file); err == nil && inContainer(file, string(text), id) {
			return true
		}
	}
	return false
}

// inContainer reads a file of /proc/self for signs of a container. The mounts
// of a host's own processes name containers too, as parts of other places.
func inContainer(file, text, id string) bool {
	if strings.HasSuffix(file, "cgroup") {
		return strings.Contains(text, id)
	}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) > 4 && fields[4] == "/etc/hostname" && strings.Contains(fields[3], id) {
			return true
		}
	}
	return false
}
