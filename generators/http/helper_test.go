package http

import (
	"encoding/pem"
	"io"
	"log"
	"os"
	"path/filepath"
	"testing"
)

// discardLog is for servers whose complaints are the point of the test.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// writePEM writes a certificate to a file.
func writePEM(t *testing.T, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
