import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/** One login and one statement by MariaDB Connector/J; ../../support/drivers.py has the contract. */
public final class Driver {
  private static final Map<String, String> SSL_MODES =
      Map.of("off", "disable", "required", "trust", "verify", "verify-full");

  private static Map<String, String> readOptions(String[] arguments) {
    Map<String, String> options = new HashMap<>();
    for (int at = 0; at + 1 < arguments.length; at += 2) {
      options.put(arguments[at].substring(2), arguments[at + 1]);
    }
    return options;
  }

  private static Properties properties(Map<String, String> options) {
    Properties properties = new Properties();
    properties.setProperty("user", options.get("user"));
    properties.setProperty("password", options.getOrDefault("password", ""));
    properties.setProperty("sslMode", SSL_MODES.get(options.getOrDefault("tls", "off")));
    properties.setProperty("allowPublicKeyRetrieval", "true");
    properties.setProperty("connectTimeout", "20000");
    setIfGiven(properties, "serverSslCert", options.get("ca"));
    setIfGiven(properties, "localSocket", options.get("socket"));
    setIfGiven(properties, "restrictedAuth", options.get("plugin"));
    return properties;
  }

  private static void setIfGiven(Properties properties, String name, String value) {
    if (value != null && !value.isEmpty()) {
      properties.setProperty(name, value);
    }
  }

  private static String address(Map<String, String> options) {
    String host = options.getOrDefault("host", "localhost") + ":" + options.getOrDefault("port", "0");
    return "jdbc:mariadb://" + host + "/" + options.getOrDefault("database", "");
  }

  private static String run(Map<String, String> options) throws SQLException {
    try (Connection connection = DriverManager.getConnection(address(options), properties(options));
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(options.get("query"))) {
      rows.next();
      return rows.getString(1);
    }
  }

  private static String textOf(SQLException error) {
    return "ERROR " + Math.max(0, error.getErrorCode()) + " " + error.getMessage();
  }

  private static void runBatch() throws IOException {
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String text;
      try {
        text = run(readOptions(line.split("\t", -1)));
      } catch (SQLException error) {
        text = textOf(error);
      }
      System.out.println(text.replace('\n', ' '));
    }
  }

  public static void main(String[] arguments) throws IOException {
    if (arguments.length == 1 && arguments[0].equals("--batch")) {
      runBatch();
      return;
    }
    try {
      System.out.println(run(readOptions(arguments)));
    } catch (SQLException error) {
      System.out.println(textOf(error));
      System.exit(1);
    }
  }

  private Driver() {}
}
