// Package pki issues certificates for the servers of a lab and makes its hosts
// trust them. Keys and serial numbers are random: they are not part of what a
// run's seed decides.
package pki

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"tyto/lab"
)

// Authority is a certificate authority.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	now  time.Time
	PEM  string // its certificate
}

// Certificate is what a server needs.
type Certificate struct {
	Chain, Key string // PEM: the certificate and the authority's; PKCS #8
}

// New makes an authority.
func New(r *lab.Run, name string) (*Authority, error) {
	a := &Authority{now: r.Now().Time()}
	var err error
	if a.key, err = newKey("ecdsa"); err != nil {
		return nil, err
	}
	template := a.template(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	template.NotAfter = a.now.AddDate(8, 0, 0)
	a.cert = template
	der, err := a.sign(template, a.key)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.PEM = block("CERTIFICATE", der)
	return a, nil
}

func (a *Authority) template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126)) // never fails
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: a.now.AddDate(0, -1, 0), NotAfter: a.now.AddDate(0, 2, 0),
	}
}

func (a *Authority) sign(template *x509.Certificate, key crypto.Signer) ([]byte, error) {
	return x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
}

// Issue makes a certificate for the names and addresses, for servers and
// clients. kind is "ecdsa" or "rsa".
func (a *Authority) Issue(kind string, names ...string) (Certificate, error) {
	key, err := newKey(kind)
	if err != nil {
		return Certificate{}, err
	}
	template := a.template(names[0])
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := a.sign(template, key)
	if err != nil {
		return Certificate{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{block("CERTIFICATE", der) + a.PEM, block("PRIVATE KEY", private)}, nil
}

func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "ecdsa":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("there is no key of kind %q", kind)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// TLS returns the certificate for a server written in Go.
func (c Certificate) TLS() (tls.Certificate, error) {
	return tls.X509KeyPair([]byte(c.Chain), []byte(c.Key))
}

// Write writes the certificate to NAME.pem and its key to NAME.key on a host;
// a relative name is in its Dir.
func (c Certificate) Write(h *lab.Host, name string) error {
	if err := h.Write(name+".pem", c.Chain, 0o644); err != nil {
		return err
	}
	return h.Write(name+".key", c.Key, 0o644)
}

// Pool is the authority for a client written in Go.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// Trust makes all programs of a host trust the authority: it joins Debian's,
// in the one file that some read and in the directory that OpenSSL reads.
func (a *Authority) Trust(ctx context.Context, hosts ...*lab.Host) error {
	const script = `cat >/etc/ssl/certs/lab.pem && cat /etc/ssl/certs/lab.pem >>/etc/ssl/certs/ca-certificates.crt &&
		ln -sf lab.pem "/etc/ssl/certs/$(openssl x509 -noout -hash -in /etc/ssl/certs/lab.pem).0"`
	for _, h := range hosts {
		if _, err := h.Run(ctx, lab.Command{Args: []string{"sh", "-c", script}, Stdin: strings.NewReader(a.PEM)}); err != nil {
			return err
		}
	}
	return nil
}
