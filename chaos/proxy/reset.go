package proxy

// resetType is the one toxic that acts on whole connections: while it is set,
// live and new ones are cut with a TCP reset on both sides, and what they had
// not sent yet is thrown away. See (*link).cut.
const resetType = "reset"
