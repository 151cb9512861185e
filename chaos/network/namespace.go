package network

import "fmt"

// A namespace is one very network namespace within one boot.
type namespace struct {
	Path   string `json:"path"` // where it was found; another may be there later
	Name   string `json:"name"` // for people
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`            // used again by the kernel once it is gone
	Cookie uint64 `json:"cookie,omitempty"` // never used again; 0 where the kernel has none
	Boot   string `json:"boot"`
}

func (n namespace) String() string {
	if n.Name != "" {
		return "netns " + n.Name
	}
	return fmt.Sprintf("netns %d", n.Inode)
}

// same says whether both are the same namespace, wherever they were found.
func (n namespace) same(o namespace) bool {
	return n.Device == o.Device && n.Inode == o.Inode && n.Cookie == o.Cookie && n.Boot == o.Boot
}
