// Command ctlog runs a certificate transparency log for one certificate authority on this machine: TesseraCT's handlers
// over its own file storage, without TesseraCT's command, whose storage version no module proxy need have.
package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/transparency-dev/tessera"
	files "github.com/transparency-dev/tessera/storage/posix"
	"github.com/transparency-dev/tesseract"
	"github.com/transparency-dev/tesseract/storage"
	issuers "github.com/transparency-dev/tesseract/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:6962", "address and port")
	origin := flag.String("origin", "localhost", "origin line of the log's checkpoints")
	key := flag.String("key", "", "file with the log's key, PEM `EC PRIVATE KEY`")
	roots := flag.String("roots", "", "PEM file of the certificate authorities that may submit")
	dir := flag.String("storage", "", "directory of the log")
	flag.Parse()
	if err := serve(*listen, *origin, *key, *roots, *dir); err != nil {
		log.Fatal(err)
	}
}

func serve(listen, origin, key, roots, dir string) error {
	text, err := os.ReadFile(key)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New(key + " is not PEM")
	}
	signer, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	create := func(ctx context.Context, checkpoints note.Signer) (*storage.CTStorage, error) {
		driver, err := files.New(ctx, files.Config{Path: dir})
		if err != nil {
			return nil, err
		}
		options := tessera.NewAppendOptions().
			WithCheckpointSigner(checkpoints).
			WithCTLayout().
			WithCheckpointInterval(time.Second).
			WithBatching(16, 50*time.Millisecond)
		appender, _, reader, err := tessera.NewAppender(ctx, driver, options)
		if err != nil {
			return nil, err
		}
		kept, err := issuers.NewIssuerStorage(ctx, dir)
		if err != nil {
			return nil, err
		}
		// Certificates are answered without waiting for the next checkpoint.
		return storage.NewCTStorage(ctx, &storage.CTStorageOptions{Appender: appender, Reader: reader, IssuerStorage: kept})
	}
	validation := tesseract.ChainValidationConfig{RootsPEMFile: roots, ExtKeyUsages: "CodeSigning"}
	limits := tesseract.LogHandlerOpts{MaxCertChainBytes: 1 << 18}
	handler, err := tesseract.NewLogHandler(context.Background(), origin, signer, validation, create, 10*time.Second, false, "", limits)
	if err != nil {
		return err
	}
	server := http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}
