// Statements by pgx; ../../support/pg_drivers.py has the contract.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	background = context.Background()
	connection *pgx.Conn
	statements int
)

func textOfValue(value any) string {
	switch value := value.(type) {
	case nil:
		return "NULL"
	case bool:
		return strconv.FormatBool(value)[:1]
	default:
		return fmt.Sprint(value)
	}
}

func textOfRows(rows pgx.Rows, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer rows.Close()
	lines := []string{}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return "", err
		}
		words := []string{}
		for _, value := range values {
			words = append(words, textOfValue(value))
		}
		lines = append(lines, strings.Join(words, "|"))
	}
	if rows.Err() == nil && len(rows.FieldDescriptions()) == 0 {
		return fmt.Sprint(rows.CommandTag().RowsAffected()), nil
	}
	return strings.Join(lines, ";"), rows.Err()
}

var tlsModes = map[string]string{"off": "disable", "required": "require"}

func login(words []string) (string, error) {
	logout(nil)
	names := []string{"host", "port", "user", "password", "database", "", "application_name"}
	settings := fmt.Sprintf("connect_timeout=20 sslmode=%s target_session_attrs=read-write", tlsModes[words[5]])
	for at, name := range names {
		if name != "" {
			settings += fmt.Sprintf(" %s='%s'", name, words[at])
		}
	}
	opened, err := pgx.Connect(background, settings)
	if err != nil {
		return "", err
	}
	connection = opened
	return query([]string{"SELECT current_user"})
}

func logout([]string) (string, error) {
	if connection != nil {
		connection.Close(background)
		connection = nil
	}
	return "ended", nil
}

func query(words []string) (string, error) {
	return textOfRows(connection.Query(background, words[0], pgx.QueryExecModeSimpleProtocol))
}

func prepared(words []string) (string, error) {
	count, err := strconv.Atoi(words[1])
	if err != nil {
		return "", err
	}
	statements++
	name := fmt.Sprint("statement", statements)
	if _, err := connection.Prepare(background, name, words[0]); err != nil {
		return "", err
	}
	said := []string{}
	for at := 0; at < count; at++ {
		text, err := textOfRows(connection.Query(background, name, increased(words[2:], at)...))
		if err != nil {
			return "", err
		}
		said = append(said, text)
	}
	return strings.Join(said, ","), nil
}

func increased(words []string, by int) []any {
	values := []any{}
	for _, word := range words {
		number, _ := strconv.Atoi(word)
		values = append(values, number+by)
	}
	return values
}

func transaction(words []string) (string, error) {
	opened, err := connection.Begin(background)
	if err != nil {
		return "", err
	}
	defer opened.Rollback(background)
	for _, text := range words {
		if _, err := opened.Exec(background, text); err != nil {
			return "", err
		}
	}
	return "committed", opened.Commit(background)
}

func big(words []string) (string, error) {
	rows, err := connection.Query(background, words[0])
	if err != nil {
		return "", err
	}
	defer rows.Close()
	count, size := 0, 0
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return "", err
		}
		count++
		size += len(text)
	}
	return fmt.Sprint(count, "|", size), rows.Err()
}

func copyIn(words []string) (string, error) {
	count, err := strconv.Atoi(words[2])
	if err != nil {
		return "", err
	}
	lines := strings.NewReader(strings.Repeat(words[1]+"\n", count))
	tag, err := connection.PgConn().CopyFrom(background, lines, words[0])
	return fmt.Sprint(tag.RowsAffected()), err
}

func copyOut(words []string) (string, error) {
	var lines bytes.Buffer
	_, err := connection.PgConn().CopyTo(background, &lines, words[0])
	return fmt.Sprint(lines.Len()), err
}

func cancel(words []string) (string, error) {
	outcome := make(chan error, 1)
	go func() {
		_, err := connection.PgConn().Exec(background, words[0]).ReadAll()
		outcome <- err
	}()
	for {
		select {
		case err := <-outcome:
			return "not cancelled", err
		case <-time.After(300 * time.Millisecond):
			connection.PgConn().CancelRequest(background)
		}
	}
}

func customs([]string) (string, error) {
	if err := connection.Ping(background); err != nil {
		return "", err
	}
	batch := &pgx.Batch{}
	batch.Queue("select 1")
	batch.Queue("select 1")
	if err := connection.SendBatch(background, batch).Close(); err != nil {
		return "", err
	}
	opened, err := connection.BeginTx(background, pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly})
	if err != nil {
		return "", err
	}
	nested, err := opened.Begin(background)
	if err != nil {
		return "", err
	}
	if err := nested.Commit(background); err != nil {
		return "", err
	}
	return "done", connection.DeallocateAll(background)
}

var verbs = map[string]func([]string) (string, error){
	"login": login, "logout": logout, "query": query, "prepared": prepared, "transaction": transaction, "big": big,
	"copy_in": copyIn, "copy_out": copyOut, "cancel": cancel, "customs": customs,
}

func textOfError(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return fmt.Sprint("ERROR ", refused.Code, " ", refused.Message)
	}
	return fmt.Sprint("ERROR - ", err)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		text, err := verbs[words[0]](words[1:])
		if err != nil {
			text = textOfError(err)
		}
		fmt.Println(strings.ReplaceAll(text, "\n", " "))
	}
	logout(nil)
}
