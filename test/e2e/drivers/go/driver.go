// One login and one statement by go-sql-driver; ../../support/drivers.py has the contract.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

type options struct {
	host, port, socket, user, password, database, tls, ca, plugin, query string
}

func readOptions(words []string) (*options, error) {
	o := new(options)
	flags := flag.NewFlagSet("driver", flag.ContinueOnError)
	flags.StringVar(&o.host, "host", "", "")
	flags.StringVar(&o.port, "port", "", "")
	flags.StringVar(&o.socket, "socket", "", "")
	flags.StringVar(&o.user, "user", "", "")
	flags.StringVar(&o.password, "password", "", "")
	flags.StringVar(&o.database, "database", "", "")
	flags.StringVar(&o.tls, "tls", "off", "")
	flags.StringVar(&o.ca, "ca", "", "")
	flags.StringVar(&o.plugin, "plugin", "", "")
	flags.StringVar(&o.query, "query", "", "")
	return o, flags.Parse(words)
}

func (o *options) tlsConfig() (*tls.Config, error) {
	switch o.tls {
	case "off":
		return nil, nil
	case "required":
		return &tls.Config{InsecureSkipVerify: true}, nil
	case "verify":
		if o.ca == "" {
			return &tls.Config{ServerName: o.host}, nil
		}
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		return &tls.Config{RootCAs: roots, ServerName: o.host}, nil
	}
	return nil, fmt.Errorf("no such TLS mode: %s", o.tls)
}

func (o *options) config() (*mysql.Config, error) {
	tls, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = o.user, o.password, o.database
	config.Net, config.Addr = "tcp", net.JoinHostPort(o.host, o.port)
	if o.socket != "" {
		config.Net, config.Addr = "unix", o.socket
	}
	config.TLS = tls
	config.AllowCleartextPasswords = o.plugin == "mysql_clear_password"
	config.Timeout, config.ReadTimeout = 20*time.Second, 20*time.Second
	config.Logger = silence{}
	return config, nil
}

// What the driver logs is in the error, too.
type silence struct{}

func (silence) Print(...any) {}

func run(words []string) (string, error) {
	o, err := readOptions(words)
	if err != nil {
		return "", err
	}
	config, err := o.config()
	if err != nil {
		return "", err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return "", err
	}
	pool := sql.OpenDB(connector)
	defer pool.Close()
	var value string
	err = pool.QueryRow(o.query).Scan(&value)
	return value, err
}

func textOf(err error) string {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		return fmt.Sprint("ERROR ", refused.Number, " ", refused.Message)
	}
	return fmt.Sprint("ERROR 0 ", err)
}

func runBatch() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		value, err := run(strings.Split(lines.Text(), "\t"))
		if err != nil {
			value = textOf(err)
		}
		fmt.Println(strings.ReplaceAll(value, "\n", " "))
	}
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--batch" {
		runBatch()
		return
	}
	value, err := run(os.Args[1:])
	if err != nil {
		fmt.Println(textOf(err))
		os.Exit(1)
	}
	fmt.Println(value)
}
