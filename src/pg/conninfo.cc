#include "pg/conninfo.hh"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <span>

#include "auth/secret.hh"
#include "net/address.hh"
#include "util/parse.hh"
#include "util/suggest.hh"

namespace perilune::pg {

namespace {

constexpr Millis kConnectTimeout{5000};
constexpr std::uint64_t kMaxTimeout = 3600;  // seconds
constexpr std::uint16_t kAnyPort = 1;

// What is set unless the string or the environment says otherwise. A peer that has vanished is
// noticed, so that what it would have notified us of is asked for again; and nobody looks for
// Kerberos tickets, which may take the network.
struct Default {
  const char* name;
  const char* value;
  const char* variable;  // of the environment; may be null
};
constexpr Default kDefaults[] = {
    {"fallback_application_name", "perilune", nullptr},
    {"gssencmode", "disable", "PGGSSENCMODE"},
    {"keepalives_count", "3", nullptr},
    {"keepalives_idle", "60", nullptr},
    {"keepalives_interval", "10", nullptr},
    {"tcp_user_timeout", "30000", nullptr},
};

// libpq's own defaults of these, which we must know before it does.
constexpr Default kFromEnvironment[] = {
    {"host", nullptr, "PGHOST"},
    {"hostaddr", nullptr, "PGHOSTADDR"},
    {"port", nullptr, "PGPORT"},
};

struct FreeOptions {
  void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};
using Parsed = std::unique_ptr<PQconninfoOption, FreeOptions>;

struct FreeText {
  void operator()(char* text) const noexcept { PQfreemem(text); }
};

Parsed parse_with_libpq(const char* text, std::string& error) {
  char* message = nullptr;
  Parsed parsed{PQconninfoParse(text, &message)};
  const std::unique_ptr<char, FreeText> owner{message};
  if (!parsed) error = message != nullptr ? message : "out of memory";
  return parsed;
}

std::vector<std::string> known_names() {
  std::vector<std::string> names;
  std::string error;
  const Parsed none = parse_with_libpq("", error);
  for (const auto* option = none.get(); option != nullptr && option->keyword != nullptr; ++option) {
    names.emplace_back(option->keyword);
  }
  return names;
}

// libpq quotes what it did not understand, which may be a part of the password: only the name that
// was probably meant is told.
std::string explain(const std::string& message) {
  constexpr std::string_view kUnknown = "invalid connection option \"";
  std::string text = "the connection string cannot be understood";
  if (!message.starts_with(kUnknown)) return text;
  const std::string_view rest = std::string_view(message).substr(kUnknown.size());
  const std::string_view word = rest.substr(0, rest.find('"'));
  const auto names = known_names();
  const std::vector<std::string_view> views{names.begin(), names.end()};
  const std::string_view nearest = nearest_name(word, views);
  if (nearest.empty()) return text + ": it has an unknown option";
  return fmt::format("{}: it has an unknown option, did you mean '{}'?", text, nearest);
}

const char* environment(const char* name) noexcept {
  return name != nullptr ? std::getenv(name) : nullptr;
}

Options read(const PQconninfoOption* parsed) {
  Options options;
  for (const auto* option = parsed; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) options.set(option->keyword, option->val);
  }
  for (const Default& fallback : kFromEnvironment) {
    const char* const value = environment(fallback.variable);
    if (value != nullptr && options.find(fallback.name).empty()) options.set(fallback.name, value);
  }
  for (const Default& fallback : kDefaults) {
    const bool is_given =
        !options.find(fallback.name).empty() || environment(fallback.variable) != nullptr;
    if (!is_given) options.set(fallback.name, fallback.value);
  }
  return options;
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma == list.npos) return parts;
    list.remove_prefix(comma + 1);
  }
}

std::string at(const std::vector<std::string>& list, std::size_t index) {
  return index < list.size() ? list[index] : std::string();
}

// One port is that of all hosts.
std::vector<Host> hosts_of(const Options& options) {
  const auto names = split(options.find("host"));
  const auto addresses = split(options.find("hostaddr"));
  const auto ports = split(options.find("port"));
  std::vector<Host> hosts(std::max(names.size(), addresses.size()));
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    hosts[i] = {at(names, i), at(addresses, i), at(ports, ports.size() == 1 ? 0 : i)};
  }
  return hosts;
}

// Lists of different lengths are one of the mistakes that libpq explains better than we could.
bool lists_agree(const Options& options) {
  const std::string_view names = options.find("host");
  const std::string_view addresses = options.find("hostaddr");
  const std::string_view ports = options.find("port");
  const auto commas = [](std::string_view list) { return std::ranges::count(list, ','); };
  const auto hosts = std::max(commas(names), commas(addresses));
  if (!names.empty() && !addresses.empty() && commas(names) != commas(addresses)) return false;
  return commas(ports) == 0 || commas(ports) == hosts;
}

std::string describe(const Host& host) {
  const std::string& name = host.name.empty() ? host.address : host.name;
  const std::string port = host.port.empty() ? "" : ":" + host.port;
  return (name.empty() ? "local" : name) + port;
}

std::string describe(const std::vector<Host>& hosts, std::string_view database) {
  std::string text;
  for (const Host& host : hosts) text += (text.empty() ? "" : ",") + describe(host);
  return database.empty() ? text : fmt::format("{}/{}", text, database);
}

std::string join(const std::vector<Host>& hosts, std::string Host::*part) {
  std::string list;
  for (std::size_t i = 0; i < hosts.size(); ++i) list += (i == 0 ? "" : ",") + hosts[i].*part;
  return list;
}

Millis timeout_of(std::string_view text) {
  const auto seconds = parse_unsigned(text, kMaxTimeout);
  if (!seconds || *seconds == 0) return kConnectTimeout;
  return std::chrono::seconds{*seconds};
}

}  // namespace

// --- Options

Options::~Options() {
  for (auto& [name, value] : all_) auth::wipe(std::as_writable_bytes(std::span{value}));
}

void Options::set(std::string_view name, std::string_view value) {
  const auto found = std::ranges::find(
      all_, name, [](const auto& option) -> const std::string& { return option.first; });
  if (found == all_.end()) {
    all_.emplace_back(name, value);
    return;
  }
  auth::wipe(std::as_writable_bytes(std::span{found->second}));
  found->second = value;
}

std::string_view Options::find(std::string_view name) const noexcept {
  for (const auto& [known, value] : all_) {
    if (known == name) return value;
  }
  return {};
}

Options Options::clone() const {
  Options copy;
  copy.all_ = all_;
  return copy;
}

// --- Host and Conninfo

bool Host::needs_lookup() const {
  if (!address.empty() || name.empty()) return false;
  if (name.front() == '/' || name.front() == '@') return false;
  // A port of its own, as an IPv6 address has colons too.
  const auto endpoint = net::parse_endpoint(name, kAnyPort);
  return endpoint && std::holds_alternative<net::HostName>(*endpoint);
}

Result<Conninfo, Failure> Conninfo::parse(const std::string& text) {
  std::string error;
  const Parsed parsed = parse_with_libpq(text.c_str(), error);
  if (!parsed) return Failure{explain(error)};
  Options options = read(parsed.get());
  if (!options.find("service").empty()) {
    return Failure{"the connection option 'service' is not supported: give host, port and dbname"};
  }
  if (!lists_agree(options)) {
    return Failure{"the connection string has lists of hosts and ports that do not match"};
  }
  return Conninfo{std::move(options)};
}

Conninfo::Conninfo(Options options)
    : options_(std::move(options)),
      hosts_(hosts_of(options_)),
      connect_timeout_(timeout_of(options_.find("connect_timeout"))),
      label_(describe(hosts_, options_.find("dbname"))) {}

Options Conninfo::options_with(const std::vector<Host>& hosts) const {
  Options options = options_.clone();
  options.set("host", join(hosts, &Host::name));
  options.set("hostaddr", join(hosts, &Host::address));
  options.set("port", join(hosts, &Host::port));
  return options;
}

}  // namespace perilune::pg
