package auto

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"tyto/lab"
	"tyto/lab/webapp"
)

// Files of an authority on its host.
const (
	caCert  = "ca.pem"
	caKey   = "ca.key"
	caIndex = "index.txt"
)

// Issuer makes an authority on the host "responder" for OCSP at port 80 there,
// and certificates for names on the host "server", in NAME.pem and NAME.key; the
// client trusts the authority. For openssl there is a list of the certificates.
func Issuer(ctx context.Context, r *lab.Run, names []string) error {
	now := r.Now().Time()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Corp Issuing CA 2"}, NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, SubjectKeyId: []byte{1, 2, 3, 4},
	}
	root, rootPEM, err := sign(authority, authority, key, key)
	if err != nil {
		return err
	}
	keyPEM, err := privatePEM(key)
	if err != nil {
		return err
	}
	index := ""
	client, server, responder := r.Host("client"), r.Host("server"), r.Host("responder")
	for i, name := range names {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(4096 + i)), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(0, 3, 0),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, OCSPServer: []string{"http://" + responder.Addr().String()},
		}
		_, text, err := sign(c, root, own, key)
		if err != nil {
			return err
		}
		private, err := privatePEM(own)
		if err := errors.Join(err, server.Write(name+".pem", text+rootPEM, 0o644), server.Write(name+".key", private, 0o644), client.Write(name+".pem", text, 0o644)); err != nil {
			return err
		}
		index += fmt.Sprintf("V\t%s\t\t%04X\tunknown\t/CN=%s\n", c.NotAfter.UTC().Format("060102150405Z"), 4096+i, name)
	}
	err = errors.Join(responder.Write(caCert, rootPEM, 0o644), responder.Write(caKey, keyPEM, 0o600), responder.Write(caIndex, index, 0o644), client.Write(caCert, rootPEM, 0o644))
	if err != nil {
		return err
	}
	const trust = `cat >>/etc/ssl/certs/ca-certificates.crt`
	_, err = client.Run(ctx, lab.Command{Args: []string{"sh", "-c", trust}, Stdin: strings.NewReader(rootPEM)})
	return err
}

func sign(c, parent *x509.Certificate, own, key *ecdsa.PrivateKey) (*x509.Certificate, string, error) {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, own.Public(), key)
	if err != nil {
		return nil, "", err
	}
	signed, err := x509.ParseCertificate(der)
	return signed, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), err
}

func privatePEM(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}

// OpenSSLResponder is the command of openssl's OCSP responder.
func OpenSSLResponder() lab.Command {
	return lab.Command{Args: []string{"openssl", "ocsp", "-port", "80", "-index", caIndex, "-CA", caCert, "-rsigner", caCert, "-rkey", caKey, "-nmin", "60", "-ignore_err"}}
}

// ServeOCSP is a program of a scenario that tells of every certificate of its
// authority that it is good.
func ServeOCSP(ctx context.Context, _ []string) error {
	pair, err := tls.LoadX509KeyPair(caCert, caKey)
	if err != nil {
		return err
	}
	issuer := pair.Leaf
	l, err := net.Listen("tcp4", ":80")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		text, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		ask, err := ocsp.ParseRequest(text)
		if err == nil {
			now := time.Now()
			text, err = ocsp.CreateResponse(issuer, issuer, ocsp.Response{
				Status: ocsp.Good, SerialNumber: ask.SerialNumber, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour),
			}, pair.PrivateKey.(crypto.Signer))
		}
		if err != nil {
			text = ocsp.MalformedRequestErrorResponse
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		w.Write(text)
	}))
	return nil
}

// ServeSites is a program of a scenario that has a site for each name of its
// arguments, with the certificates that Issuer wrote.
func ServeSites(ctx context.Context, names []string) error {
	certs := make(map[string]*tls.Certificate)
	for _, name := range names {
		c, err := tls.LoadX509KeyPair(name+".pem", name+".key")
		if err != nil {
			return err
		}
		certs[name] = &c
	}
	server := &http.Server{
		Addr:      ":443",
		TLSConfig: &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return certs[h.ServerName], nil }},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			fmt.Fprintln(w, "It works.", strings.Repeat(q.Host+" ", 10*len(q.Host)))
		}),
	}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServeTLS("", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Careful is a program of a scenario that gets the page of the site which is its
// argument, and before it reads asks about its certificate. It tells the events
// "connected" and "checked" of the site, and prints the page.
func Careful(ctx context.Context, args []string) error {
	trust, err := os.ReadFile(caCert)
	if err != nil {
		return err
	}
	conn, err := tls.Dial("tcp4", args[0]+":443", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	block, _ := pem.Decode(trust)
	issuer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	webapp.Report("connected", "%s", conn.LocalAddr())
	if err := checkStatus(ctx, conn.ConnectionState().PeerCertificates[0], issuer); err != nil {
		return err
	}
	webapp.Report("checked", "%s", args[0])
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+args[0]+"/", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	a, err := transport.RoundTrip(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	fmt.Printf("%s\n", text)
	return err
}

func checkStatus(ctx context.Context, cert, issuer *x509.Certificate) error {
	ask, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, cert.OCSPServer[0], bytes.NewReader(ask))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/ocsp-request")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	answer, err := ocsp.ParseResponseForCert(text, cert, issuer)
	if err == nil && answer.Status != ocsp.Good {
		err = fmt.Errorf("the certificate's status is %d", answer.Status)
	}
	return err
}
