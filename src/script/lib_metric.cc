#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/host.hh"
#include "script/libs.hh"

namespace perilune::script {

namespace {

using stats::OwnMetric;

constexpr std::array<std::string_view, 1> kOptions{"buckets"};
constexpr std::size_t kMostBuckets = 50;

struct Counter {
  static constexpr const char* kClassName = "counter";
  std::shared_ptr<OwnMetric> metric;
};

struct Gauge {
  static constexpr const char* kClassName = "gauge";
  std::shared_ptr<OwnMetric> metric;
};

struct Distribution {
  static constexpr const char* kClassName = "histogram";
  std::shared_ptr<OwnMetric> metric;
};

double check_finite(lua_State* L, int index) {
  const double n = lua::check_number(L, index);
  if (!std::isfinite(n)) throw lua::ArgumentError(index, "a finite number expected");
  return n;
}

double amount(lua_State* L) { return lua_isnoneornil(L, 2) ? 1 : check_finite(L, 2); }

int count(lua_State* L) {
  const Counter& counter = lua::Class<Counter>::check(L, 1);
  const double n = amount(L);
  if (n < 0) throw lua::ArgumentError(2, "a counter only grows");
  counter.metric->add(n);
  return 0;
}

int raise(lua_State* L) {
  lua::Class<Gauge>::check(L, 1).metric->add(amount(L));
  return 0;
}

int set(lua_State* L) {
  const Gauge& gauge = lua::Class<Gauge>::check(L, 1);
  gauge.metric->set(check_finite(L, 2));
  return 0;
}

int observe(lua_State* L) {
  const Distribution& histogram = lua::Class<Distribution>::check(L, 1);
  histogram.metric->observe(check_finite(L, 2));
  return 0;
}

std::vector<double> usual_bounds() { return {stats::kBounds.begin(), stats::kBounds.end()}; }

std::vector<double> read_bounds(lua_State* L, const lua::Options& options) {
  if (!options.push_table("buckets")) return usual_bounds();
  std::vector<double> bounds;
  for (lua_rawgeti(L, -1, 1); !lua_isnil(L, -1);
       lua_rawgeti(L, -1, static_cast<int>(bounds.size() + 1))) {
    const double bound = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
    const bool follows = bounds.empty() || bound > bounds.back();
    if (!std::isfinite(bound) || !follows || bounds.size() == kMostBuckets) {
      options.fail("buckets", "at most 50 numbers expected, each greater than the one before");
    }
    bounds.push_back(bound);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  if (bounds.empty()) options.fail("buckets", "at least one number expected");
  return bounds;
}

std::shared_ptr<OwnMetric> open(lua_State* L, OwnMetric::Kind kind,
                                const std::vector<double>& bounds = {}) {
  const std::string name{lua::check_text(L, 1)};
  const std::string help{lua::check_text(L, 2)};
  const auto metric = Host::of(L).own_metrics().open(name, help, kind, bounds);
  if (!metric) throw lua::Error("metric: " + metric.error().message);
  return *metric;
}

int counter(lua_State* L) {
  check_count(L, 2, 2);
  lua::Class<Counter>::push(L, Counter{open(L, OwnMetric::Kind::Counter)});
  return 1;
}

int gauge(lua_State* L) {
  check_count(L, 2, 2);
  lua::Class<Gauge>::push(L, Gauge{open(L, OwnMetric::Kind::Gauge)});
  return 1;
}

int histogram(lua_State* L) {
  check_count(L, 2, 3);
  std::vector<double> bounds = usual_bounds();
  if (!lua_isnoneornil(L, 3)) {
    lua::check_table(L, 3);
    bounds = read_bounds(L, lua::Options{L, 3, "option", kOptions});
  }
  lua::Class<Distribution>::push(L, Distribution{open(L, OwnMetric::Kind::Histogram, bounds)});
  return 1;
}

constexpr lua::Function kCounterMethods[] = {{"add", lua::guarded<count>}};
constexpr lua::Function kGaugeMethods[] = {
    {"add", lua::guarded<raise>},
    {"set", lua::guarded<set>},
};
constexpr lua::Function kHistogramMethods[] = {{"observe", lua::guarded<observe>}};
constexpr lua::Function kFunctions[] = {
    {"counter", lua::guarded<counter>},
    {"gauge", lua::guarded<gauge>},
    {"histogram", lua::guarded<histogram>},
};

}  // namespace

void push_metric(lua_State* L) {
  define_class<Counter>(L, kCounterMethods);
  define_class<Gauge>(L, kGaugeMethods);
  define_class<Distribution>(L, kHistogramMethods);
  push_library(L, kFunctions);
}

}  // namespace perilune::script
