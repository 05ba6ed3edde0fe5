import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.postgresql.PGConnection;
import org.postgresql.util.PSQLException;

/** Statements by pgjdbc; ../../support/pg_drivers.py has the contract. `--simple`: all as simple queries. */
public final class Driver {
  private static final Map<String, String> SSL_MODES = Map.of("off", "disable", "required", "require", "direct", "require");

  private final String mode;
  private Connection connection;

  private Driver(String mode) {
    this.mode = mode;
  }

  private String login(String[] words) throws SQLException {
    logout();
    Properties properties = new Properties();
    properties.setProperty("user", words[3]);
    properties.setProperty("password", words[4]);
    properties.setProperty("sslmode", SSL_MODES.get(words[6]));
    properties.setProperty("sslNegotiation", words[6].equals("direct") ? "direct" : "postgres");
    properties.setProperty("ApplicationName", words[7]);
    properties.setProperty("preferQueryMode", mode);
    if (!mode.equals("simple")) { // Its start-up packet has the application's name then, not a statement behind it.
      properties.setProperty("assumeMinServerVersion", "9.4");
    }
    properties.setProperty("targetServerType", "primary");
    properties.setProperty("loginTimeout", "20");
    connection = DriverManager.getConnection("jdbc:postgresql://" + words[1] + ":" + words[2] + "/" + words[5], properties);
    return query("SELECT current_user");
  }

  private String logout() throws SQLException {
    if (connection != null) {
      connection.close();
      connection = null;
    }
    return "ended";
  }

  private static String textOf(ResultSet rows) throws SQLException {
    List<String> lines = new ArrayList<>();
    while (rows.next()) {
      List<String> words = new ArrayList<>();
      for (int at = 1; at <= rows.getMetaData().getColumnCount(); ++at) {
        String word = rows.getString(at);
        words.add(word == null ? "NULL" : word);
      }
      lines.add(String.join("|", words));
    }
    return String.join(";", lines);
  }

  private String query(String text) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      if (!statement.execute(text)) {
        return String.valueOf(Math.max(0, statement.getUpdateCount()));
      }
      try (ResultSet rows = statement.getResultSet()) {
        return textOf(rows);
      }
    }
  }

  private String prepared(String[] words) throws SQLException {
    List<String> said = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(words[1].replaceAll("\\$\\d", "?"))) {
      for (int at = 0; at < Integer.parseInt(words[2]); ++at) {
        for (int parameter = 3; parameter < words.length; ++parameter) {
          statement.setInt(parameter - 2, Integer.parseInt(words[parameter]) + at);
        }
        said.add(execute(statement));
      }
    }
    return String.join(",", said);
  }

  private static String execute(PreparedStatement statement) throws SQLException {
    if (!statement.execute()) {
      return String.valueOf(Math.max(0, statement.getUpdateCount()));
    }
    try (ResultSet rows = statement.getResultSet()) {
      return textOf(rows);
    }
  }

  private String transaction(String[] words) throws SQLException {
    connection.setAutoCommit(false);
    try {
      for (int at = 1; at < words.length; ++at) {
        query(words[at]);
      }
      connection.commit();
      return "committed";
    } catch (SQLException error) {
      connection.rollback();
      throw error;
    } finally {
      connection.setAutoCommit(true);
    }
  }

  private String big(String text) throws SQLException {
    connection.setAutoCommit(false); // Without a transaction it would not read by portions.
    try (Statement statement = connection.createStatement()) {
      statement.setFetchSize(1000);
      try (ResultSet rows = statement.executeQuery(text)) {
        int count = 0;
        long size = 0;
        for (; rows.next(); ++count) {
          size += rows.getString(1).length();
        }
        return count + "|" + size;
      }
    } finally {
      connection.rollback();
      connection.setAutoCommit(true);
    }
  }

  private String copyIn(String[] words) throws SQLException, IOException {
    StringReader lines = new StringReader((words[2] + "\n").repeat(Integer.parseInt(words[3])));
    return String.valueOf(connection.unwrap(PGConnection.class).getCopyAPI().copyIn(words[1], lines));
  }

  private String copyOut(String text) throws SQLException, IOException {
    StringWriter lines = new StringWriter();
    connection.unwrap(PGConnection.class).getCopyAPI().copyOut(text, lines);
    return String.valueOf(lines.toString().length());
  }

  private String cancel(String text) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      CompletableFuture<SQLException> outcome = CompletableFuture.supplyAsync(() -> errorOf(statement, text));
      for (;;) {
        try {
          SQLException error = outcome.get(300, TimeUnit.MILLISECONDS);
          if (error != null) {
            throw error;
          }
          return "not cancelled";
        } catch (TimeoutException running) {
          statement.cancel();
        } catch (InterruptedException | ExecutionException error) {
          throw new IllegalStateException(error);
        }
      }
    }
  }

  private static SQLException errorOf(Statement statement, String text) {
    try {
      statement.execute(text);
      return null;
    } catch (SQLException error) {
      return error;
    }
  }

  /** What pools and frameworks call. */
  private String customs() throws SQLException {
    if (!connection.isValid(20)) {
      throw new SQLException("the connection is not valid");
    }
    int isolation = connection.getTransactionIsolation();
    connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    connection.setTransactionIsolation(isolation);
    connection.getSchema();
    connection.setSchema("public");
    connection.getCatalog();
    connection.setClientInfo("ApplicationName", "renamed");
    connection.setReadOnly(true);
    connection.setAutoCommit(false);
    query("SELECT 1");
    connection.rollback(connection.setSavepoint());
    connection.rollback();
    connection.setAutoCommit(true);
    connection.setReadOnly(false);
    return "done";
  }

  private String run(String[] words) throws SQLException, IOException {
    switch (words[0]) {
      case "login":
        return login(words);
      case "logout":
        return logout();
      case "query":
        return query(words[1]);
      case "prepared":
        return prepared(words);
      case "transaction":
        return transaction(words);
      case "big":
        return big(words[1]);
      case "copy_in":
        return copyIn(words);
      case "copy_out":
        return copyOut(words[1]);
      case "cancel":
        return cancel(words[1]);
      case "customs":
        return customs();
      default:
        throw new IllegalArgumentException(words[0]);
    }
  }

  private static String textOf(SQLException error) {
    if (error instanceof PSQLException && ((PSQLException) error).getServerErrorMessage() != null) {
      return "ERROR " + error.getSQLState() + " " + ((PSQLException) error).getServerErrorMessage().getMessage();
    }
    return "ERROR - " + error.getMessage();
  }

  private void runAll() throws IOException, SQLException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String text;
      try {
        text = run(line.split("\t", -1));
      } catch (SQLException error) {
        text = textOf(error);
      }
      System.out.println(text.replace('\n', ' '));
    }
    logout();
  }

  public static void main(String[] arguments) throws IOException, SQLException {
    new Driver(arguments.length > 0 && arguments[0].equals("--simple") ? "simple" : "extended").runAll();
  }
}
