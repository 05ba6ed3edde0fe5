#include "cluster/settings.hh"

#include <tuple>

namespace perilune::cluster {

namespace {

bool same_password(const ProbeSettings& one, const ProbeSettings& other) noexcept {
  if (!one.password || !other.password)
    return one.password.has_value() == other.password.has_value();
  return one.password->equals(*other.password);
}

auto plain_parts(const ProbeSettings& probe) noexcept {
  return std::tie(probe.user, probe.database, probe.tls, probe.interval, probe.timeout, probe.rise,
                  probe.fall, probe.no_read_only);
}

auto plain_parts(const Settings& settings) noexcept {
  return std::tie(settings.protocol, settings.name, settings.nodes, settings.policy,
                  settings.by_function, settings.disconnect_unavailable);
}

}  // namespace

bool is_same(const Settings& one, const Settings& other) noexcept {
  if (plain_parts(one) != plain_parts(other)) return false;
  const auto& probe = one.monitoring;
  const auto& others = other.monitoring;
  if (!probe || !others) return probe.has_value() == others.has_value();
  return plain_parts(*probe) == plain_parts(*others) && same_password(*probe, *others);
}

}  // namespace perilune::cluster
