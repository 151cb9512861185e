package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
)

// disconnectAction takes a container off one network.
var disconnectAction = action{
	prepare: func(config Config, c container, i *image) error {
		names := slices.Sorted(maps.Keys(c.NetworkSettings.Networks))
		i.Network = config.Network
		if i.Network == "" && len(names) == 1 {
			i.Network = names[0]
		}
		place, on := c.NetworkSettings.Networks[i.Network]
		switch {
		case i.Network == "":
			return fmt.Errorf("%s is on %d networks; say which with network: %s", c, len(names), strings.Join(names, ", "))
		case !on:
			return fmt.Errorf("%s is not on network %s; it is on %s", c, i.Network, strings.Join(names, ", "))
		case i.Network == "host" || i.Network == "none" || place.NetworkID == "":
			return fmt.Errorf("%s cannot be taken off network %s: engines do not put containers back on it", c, i.Network)
		}
		// Engines add the container's short id to its aliases by themselves.
		place.Aliases = slices.DeleteFunc(slices.Clone(place.Aliases), func(a string) bool { return a == short(c.ID) })
		i.Endpoint = &place
		return nil
	},
	inject: func(ctx context.Context, e engine, i image) error {
		return e.call(ctx, http.MethodPost, "/networks/"+i.Endpoint.NetworkID+"/disconnect", attachment{Container: i.ID}, nil)
	},
	undo: func(ctx context.Context, e engine, c container, i image) error {
		if _, on := c.on(*i.Endpoint); on {
			return nil
		}
		err := reconnect(ctx, e, i)
		if err == nil || !errors.Is(err, errAbsent) {
			return err
		}
		if has, looked := e.network(ctx, i.Endpoint.NetworkID); looked == nil && !has {
			return &chaos.ConflictError{Target: i.String(), Want: "network " + i.Network + " (" + short(i.Endpoint.NetworkID) + ")", Found: "that it was removed"}
		}
		return err
	},
	look: func(ctx context.Context, e engine, c container, i image) (chaos.State, string, error) {
		place, on := c.on(*i.Endpoint)
		if on {
			if difference := i.Endpoint.differs(place); difference != "" {
				return chaos.Conflict, difference, nil
			}
			return chaos.Gone, "", nil
		}
		has, err := e.network(ctx, i.Endpoint.NetworkID)
		if err != nil {
			return "", "", err
		}
		if !has {
			return chaos.Conflict, "that network " + i.Network + " was removed", nil
		}
		return chaos.Active, "", nil
	},
	kernel: func(c container, i image) (active, known bool) {
		address := i.Endpoint.IPAddress
		if place, on := c.on(*i.Endpoint); on {
			address = place.IPAddress
		}
		has, known := hasAddress(c.ID, c.State.Pid, address)
		return !has, known
	},
	absent: chaos.Gone,
}

// attachment is the body of calls that connect and disconnect.
type attachment struct {
	Container      string
	EndpointConfig *endpoint `json:"EndpointConfig,omitempty"`
}

// on finds the container's place on the same network, by its id.
func (c container) on(before endpoint) (endpoint, bool) {
	for _, place := range c.NetworkSettings.Networks {
		if place.NetworkID == before.NetworkID {
			return place, true
		}
	}
	return endpoint{}, false
}

// asked is what to ask for to get the place again.
func (p endpoint) asked() endpoint {
	p.NetworkID, p.IPAddress, p.GlobalIPv6Address = "", "", ""
	return p
}

// pinned says whether the place was asked for with its address.
func (p endpoint) pinned() bool {
	return p.IPAMConfig != nil && (p.IPAMConfig.IPv4Address != "" || p.IPAMConfig.IPv6Address != "")
}

// reconnect puts the container back with the same aliases and address. Only on
// networks with subnets of the user's choice can an address be asked for, and
// no call tells which are; on the others, and where the address is taken by
// now, one that nobody had asked for may change.
func reconnect(ctx context.Context, e engine, i image) error {
	connect := func(place endpoint) error {
		return e.call(ctx, http.MethodPost, "/networks/"+i.Endpoint.NetworkID+"/connect", attachment{Container: i.ID, EndpointConfig: &place}, nil)
	}
	place := i.Endpoint.asked()
	if !i.Endpoint.pinned() && i.Endpoint.IPAddress != "" {
		same := place
		same.IPAMConfig = &ipam{IPv4Address: i.Endpoint.IPAddress, IPv6Address: i.Endpoint.GlobalIPv6Address}
		err := connect(same)
		if err == nil || !refusedAs(err, http.StatusBadRequest, http.StatusForbidden, http.StatusInternalServerError, http.StatusConflict) {
			return err
		}
	}
	err := connect(place)
	if err == nil {
		return nil
	}
	// Someone was faster, perhaps.
	if now, looked := e.inspect(ctx, i.ID); looked == nil {
		if _, on := now.on(*i.Endpoint); on {
			return nil
		}
	}
	return err
}

// differs says how a place on the network is not the one before; empty when
// it is as good.
func (p endpoint) differs(now endpoint) string {
	for _, alias := range p.Aliases {
		if !slices.Contains(now.Aliases, alias) {
			return "it on the network without alias " + alias
		}
	}
	if p.pinned() && p.IPAddress != "" && now.IPAddress != "" && p.IPAddress != now.IPAddress {
		return "it on the network with address " + now.IPAddress + " instead of " + p.IPAddress
	}
	return ""
}
