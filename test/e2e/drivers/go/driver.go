// One login and one statement by go-sql-driver; ../../support/drivers.py has the contract.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-sql-driver/mysql"
)

var (
	host     = flag.String("host", "", "")
	port     = flag.String("port", "", "")
	socket   = flag.String("socket", "", "")
	user     = flag.String("user", "", "")
	password = flag.String("password", "", "")
	database = flag.String("database", "", "")
	tlsMode  = flag.String("tls", "off", "")
	ca       = flag.String("ca", "", "")
	plugin   = flag.String("plugin", "", "")
	query    = flag.String("query", "", "")
)

func tlsConfig() (*tls.Config, error) {
	switch *tlsMode {
	case "off":
		return nil, nil
	case "required":
		return &tls.Config{InsecureSkipVerify: true}, nil
	case "verify":
		pem, err := os.ReadFile(*ca)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		return &tls.Config{RootCAs: roots, ServerName: *host}, nil
	}
	return nil, fmt.Errorf("no such TLS mode: %s", *tlsMode)
}

func config() (*mysql.Config, error) {
	tls, err := tlsConfig()
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = *user, *password, *database
	config.Net, config.Addr = "tcp", net.JoinHostPort(*host, *port)
	if *socket != "" {
		config.Net, config.Addr = "unix", *socket
	}
	config.TLS = tls
	config.AllowCleartextPasswords = *plugin == "mysql_clear_password"
	config.Timeout, config.ReadTimeout = 20*time.Second, 20*time.Second
	config.Logger = silence{}
	return config, nil
}

// What the driver logs is in the error, too.
type silence struct{}

func (silence) Print(...any) {}

func run() (string, error) {
	config, err := config()
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
	err = pool.QueryRow(*query).Scan(&value)
	return value, err
}

func main() {
	flag.Parse()
	value, err := run()
	if err == nil {
		fmt.Println(value)
		return
	}
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		fmt.Println("ERROR", refused.Number, refused.Message)
	} else {
		fmt.Println("ERROR", 0, err)
	}
	os.Exit(1)
}
