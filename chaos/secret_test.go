package chaos

import "testing"

func TestSecretIn(t *testing.T) {
	environ := []string{"HOME=/home/ada", "SHOP_PASSWORD=correct horse", "FLAG_TOKEN=on", "region=eu-west-1", "empty_secret=", "db_dsn=postgres://x"}
	for _, test := range []struct {
		texts, listed []string
		want          string
	}{
		{nil, nil, ""},
		{[]string{"set", "x=correct horse;"}, nil, "SHOP_PASSWORD"},
		{[]string{"postgres://x/y"}, nil, "db_dsn"},           // names in any case
		{[]string{"on"}, nil, ""},                             // too short to tell
		{[]string{"/home/ada/run", "eu-west-1"}, nil, ""},     // not called like a secret
		{[]string{"eu-west-1"}, []string{"region"}, "region"}, // but listed as one
		{[]string{"correct", "horse"}, nil, ""},               // in no text whole
		{[]string{"on"}, []string{"FLAG_TOKEN"}, ""},          // short, though listed
	} {
		if got, found := SecretIn(test.texts, environ, test.listed); got != test.want || found != (test.want != "") {
			t.Errorf("SecretIn(%q, listed %q) = %q, %v; want %q", test.texts, test.listed, got, found, test.want)
		}
	}
}
