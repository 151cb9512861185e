package chaos

// A Class says what becomes of a fault when the machine is started anew.
type Class string

const (
	// Durable faults outlast a reboot, or may: they are undone as before it.
	// A receipt without a class counts as durable, because undoing is
	// idempotent and forgetting is not.
	Durable Class = "durable"
	// Volatile faults live in processes or in the kernel's memory: a reboot
	// ends them. After one, Undo is not called; what it would look for may by
	// then be someone else's.
	Volatile Class = "volatile"
	// Irreversible faults leave something behind that no undo restores. They
	// are refused unless the scenario says allow_irreversible.
	Irreversible Class = "irreversible"
)

// rebooted says whether the machine was started anew since the receipt was
// made. Where that cannot be known it says no.
func (r Receipt) rebooted() bool {
	now := BootID()
	return r.Boot != "" && now != "" && r.Boot != now
}
