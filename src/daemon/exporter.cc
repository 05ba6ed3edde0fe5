#include "daemon/exporter.hh"

#include <luajit.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <uv.h>

#include <array>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "daemon/process_stats.hh"

namespace perilune::daemon {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Label = ClientMetric::Label;
using Labels = std::vector<Label>;
using Sources = Exporter::Sources;

// The families of one page; values of one name are added one after the other.
class Page {
 public:
  Page& open(std::string_view name, std::string_view help, MetricType type) {
    if (!families_.empty() && families_.back().name == name) return *this;
    MetricFamily& family = families_.emplace_back();
    family.name = name;
    family.help = help;
    family.type = type;
    return *this;
  }

  // To the family that was opened last.
  void add(Labels labels, double value) {
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    metric.counter.value = value;
    metric.gauge.value = value;
  }

  void add(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts,
           double sum) {
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    auto& histogram = metric.histogram;
    histogram.sample_sum = sum;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      histogram.sample_count += counts[i];
      const double bound =
          i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
      histogram.bucket.push_back({histogram.sample_count, bound});
    }
  }
  void add(Labels labels, const stats::HistogramSum& sum) {
    add(std::move(labels), stats::kBounds, sum.buckets, sum.seconds());
  }

  // A family without values says nothing.
  std::string text() {
    std::erase_if(families_, [](const MetricFamily& family) { return family.metric.empty(); });
    return prometheus::TextSerializer{}.Serialize(families_);
  }

 private:
  std::vector<MetricFamily> families_;
};

MetricType type_of(stats::Kind kind) noexcept {
  return kind == stats::Kind::Counter ? MetricType::Counter : MetricType::Gauge;
}

// "outcome=accepted", behind what else tells the value apart.
Labels with_label(Labels labels, std::string_view label) {
  const std::size_t sign = label.find('=');
  if (sign == label.npos) return labels;
  labels.push_back({std::string(label.substr(0, sign)), std::string(label.substr(sign + 1))});
  return labels;
}

std::size_t count_workers(const Sources& sources) {
  const auto branches = sources.branches.get();
  return branches ? branches->size() : 0;
}

// --- what metrics.inc lists

void add_values(Page& page, const Sources& sources, const stats::Metric& metric) {
  page.open(metric.name, metric.help, type_of(metric.kind));
  switch (metric.scope) {
    case stats::Scope::Process:
      page.add(with_label({}, metric.label), static_cast<double>(sources.registry.sum(metric.cell)));
      return;
    case stats::Scope::Listener:
      for (const auto& listener : sources.registry.listeners()) {
        page.add(with_label({{"listener", listener->label()}}, metric.label),
                 static_cast<double>(listener->sum(metric.cell)));
      }
      return;
    case stats::Scope::Worker:
      for (std::size_t i = 0; i < count_workers(sources); ++i) {
        const stats::Cell& cell = sources.registry.worker(i).*metric.cell;
        page.add(with_label({{"worker", std::to_string(i)}}, metric.label),
                 static_cast<double>(cell.read()));
      }
  }
}

void add_histogram(Page& page, const Sources& sources, const stats::HistogramMetric& metric) {
  page.open(metric.name, metric.help, MetricType::Histogram);
  if (metric.scope == stats::Scope::Listener) {
    for (const auto& listener : sources.registry.listeners()) {
      page.add({{"listener", listener->label()}}, listener->sum(metric.histogram));
    }
    return;
  }
  for (std::size_t i = 0; i < count_workers(sources); ++i) {
    stats::HistogramSum sum;
    (sources.registry.worker(i).*metric.histogram).add_to(sum);
    page.add({{"worker", std::to_string(i)}}, sum);
  }
}

void add_metrics(Page& page, const Sources& sources) {
  for (const stats::Metric& metric : stats::kMetrics) add_values(page, sources, metric);
  for (const auto& metric : stats::kHistograms) add_histogram(page, sources, metric);
}

// --- workers, callbacks, nodes

void add_workers(Page& page, const Sources& sources) {
  std::vector<std::uint64_t> sessions(count_workers(sources));
  for (const auto& listener : sources.registry.listeners()) {
    listener->for_each([&sessions](std::size_t worker, const stats::Cells& cells) {
      if (worker < sessions.size()) sessions[worker] += cells.sessions_open.read();
    });
  }
  page.open("perilune_worker_sessions", "Sessions that have not ended, by the worker that has them",
            MetricType::Gauge);
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    page.add({{"worker", std::to_string(i)}}, static_cast<double>(sessions[i]));
  }
}

struct CallbackColumn {
  std::string_view name;
  std::string_view help;
  std::uint64_t stats::CallbackSum::*value;
  double unit;
};

constexpr CallbackColumn kCallbackColumns[] = {
    {"perilune_lua_callback_calls_total", "Calls of the script's functions",
     &stats::CallbackSum::calls, 1},
    {"perilune_lua_callback_errors_total", "Calls of the script's functions that failed",
     &stats::CallbackSum::errors, 1},
    {"perilune_lua_callback_aborts_total",
     "Calls of the script's functions that were aborted because they used too much processor time",
     &stats::CallbackSum::aborts, 1},
    {"perilune_lua_callback_seconds_total",
     "Time that calls of the script's functions took, their waiting included",
     &stats::CallbackSum::nanos, 1e-9},
};

void add_callbacks(Page& page, const Sources& sources) {
  for (const CallbackColumn& column : kCallbackColumns) {
    page.open(column.name, column.help, MetricType::Counter);
    for (std::size_t i = 0; i < stats::kCallbackNames.size(); ++i) {
      const auto sum = sources.registry.sum(static_cast<stats::Callback>(i));
      page.add({{"callback", std::string(stats::kCallbackNames[i])}},
               static_cast<double>(sum.*column.value) * column.unit);
    }
  }
}

// A node under the names that tell it apart.
struct NamedNode {
  Labels labels;
  std::shared_ptr<cluster::Node> node;
  std::uint64_t limit;  // of its sessions; 0: none
};

// During a reload two clusters may have a name: the latest one's nodes count.
std::vector<NamedNode> named_nodes(cluster::Registry& clusters) {
  std::vector<NamedNode> nodes;
  std::set<std::pair<std::string, std::string>> seen;
  const auto all = clusters.all();
  for (auto cluster = all.rbegin(); cluster != all.rend(); ++cluster) {
    if (!(*cluster)->is_active()) continue;
    const auto members = (*cluster)->members();
    for (const cluster::Member& member : *members) {
      if (!seen.emplace((*cluster)->name(), member.text()).second) continue;
      nodes.push_back({{{"cluster", (*cluster)->name()}, {"node", member.text()}},
                       member.node,
                       member.settings.max_connections});
    }
  }
  return nodes;
}

struct NodeColumn {
  std::string_view name;
  std::string_view help;
  MetricType type;
  std::uint64_t (*value)(const cluster::Node& node);
};

constexpr NodeColumn kNodeColumns[] = {
    {"perilune_node_sessions", "Sessions at the node", MetricType::Gauge,
     [](const cluster::Node& node) { return node.sessions(); }},
    {"perilune_node_connects_total", "Clients that were connected to the node", MetricType::Counter,
     [](const cluster::Node& node) { return node.connected(); }},
    {"perilune_node_connect_errors_total", "Clients that could not be connected to the node",
     MetricType::Counter, [](const cluster::Node& node) { return node.failed(); }},
    {"perilune_node_statements_total", "Commands that were sent to the node", MetricType::Counter,
     [](const cluster::Node& node) { return node.traffic().statements; }},
    {"perilune_node_sent_bytes_total", "Bytes that were sent to the node behind logins",
     MetricType::Counter, [](const cluster::Node& node) { return node.traffic().to_server; }},
    {"perilune_node_received_bytes_total", "Bytes that came from the node behind logins",
     MetricType::Counter, [](const cluster::Node& node) { return node.traffic().from_server; }},
};

constexpr std::array kStates{cluster::NodeState::Down,     cluster::NodeState::AuthFailed,
                             cluster::NodeState::Unknown,  cluster::NodeState::ReadOnly,
                             cluster::NodeState::Available, cluster::NodeState::Draining};

void add_nodes(Page& page, const Sources& sources) {
  const std::vector<NamedNode> nodes = named_nodes(sources.clusters);
  page.open("perilune_node_state", "1 for the state that the node is in", MetricType::Gauge);
  for (const NamedNode& named : nodes) {
    const cluster::NodeState present = named.node->status().state;
    for (const cluster::NodeState state : kStates) {
      Labels labels = named.labels;
      labels.push_back({"state", cluster::name_of(state)});
      page.add(std::move(labels), state == present ? 1 : 0);
    }
  }
  for (const NodeColumn& column : kNodeColumns) {
    page.open(column.name, column.help, column.type);
    for (const NamedNode& named : nodes) {
      page.add(named.labels, static_cast<double>(column.value(*named.node)));
    }
  }
  page.open("perilune_node_sessions_limit", "Sessions that the node may have", MetricType::Gauge);
  for (const NamedNode& named : nodes) {
    if (named.limit > 0) page.add(named.labels, static_cast<double>(named.limit));
  }
}

// --- logs

struct LogColumn {
  std::string_view name;
  std::string_view help;
  MetricType type;
  std::uint64_t log::QueryLogSums::*value;
};

constexpr LogColumn kLogColumns[] = {
    {"perilune_log_written_total", "Records of statements that were written", MetricType::Counter,
     &log::QueryLogSums::written},
    {"perilune_log_dropped_total", "Records of statements that were lost", MetricType::Counter,
     &log::QueryLogSums::dropped},
    {"perilune_log_written_bytes_total", "Bytes that were written", MetricType::Counter,
     &log::QueryLogSums::bytes},
    {"perilune_log_errors_total", "Attempts to write that failed", MetricType::Counter,
     &log::QueryLogSums::errors},
    {"perilune_log_waiting_bytes", "Bytes that wait to be written", MetricType::Gauge,
     &log::QueryLogSums::waiting},
    {"perilune_log_high_water_bytes", "The most that one buffer has held", MetricType::Gauge,
     &log::QueryLogSums::high_water},
};

void add_logs(Page& page, const Sources& sources) {
  const auto totals = sources.logs.totals();
  for (const LogColumn& column : kLogColumns) {
    page.open(column.name, column.help, column.type);
    for (const auto& total : totals) {
      page.add({{"log", total.target}}, static_cast<double>(total.sums.*column.value));
    }
  }
}

// --- the script's own, and the process

void add_own(Page& page, const Sources& sources) {
  constexpr std::array kTypes{MetricType::Counter, MetricType::Gauge, MetricType::Histogram};
  for (const auto& entry : sources.own.all()) {
    const stats::OwnMetric& metric = *entry.metric;
    page.open(entry.name, entry.help, kTypes[static_cast<std::size_t>(metric.kind())]);
    if (metric.kind() == stats::OwnMetric::Kind::Histogram) {
      page.add({}, metric.bounds(), metric.buckets(), metric.value());
    } else {
      page.add({}, metric.value());
    }
  }
}

void add_process(Page& page, const Sources& sources) {
  page.open("perilune_messages_lost_total",
            "Lines of the daemon's own log that could not be written", MetricType::Counter)
      .add({}, static_cast<double>(sources.logger.lost()));
  const ProcessStats stats = read_process_stats();
  const auto gauge = [&page](std::string_view name, std::string_view help, std::uint64_t value) {
    page.open(name, help, MetricType::Gauge).add({}, static_cast<double>(value));
  };
  page.open("process_cpu_seconds_total", "Processor time of all threads", MetricType::Counter)
      .add({}, stats.cpu_seconds);
  gauge("process_resident_memory_bytes", "Memory that is in use", stats.resident_bytes);
  gauge("process_virtual_memory_bytes", "Memory that is reserved", stats.virtual_bytes);
  gauge("process_open_fds", "Open descriptors", stats.open_descriptors);
  gauge("process_max_fds", "Descriptors that may be open", stats.most_descriptors);
  gauge("process_threads", "Threads", stats.threads);
}

void add_build(Page& page, const Sources&) {
  page.open("perilune_build_info", "1; the labels say what was built", MetricType::Gauge)
      .add({{"version", PERILUNE_VERSION},
            {"luajit", LUAJIT_VERSION},
            {"libuv", uv_version_string()},
            {"compiler", __VERSION__}},
           1);
}

using Section = void (*)(Page& page, const Sources& sources);
constexpr Section kSections[] = {add_build, add_metrics,   add_workers, add_nodes,
                                 add_logs,  add_callbacks, add_own,     add_process};

}  // namespace

void Exporter::note(const Generation& generation) {
  Limits limits;
  for (const auto& listener : generation.listeners()) {
    const auto& declared = listener->declaration;
    if (declared.options.max_connections == 0) continue;
    limits[declared.label] += declared.options.max_connections;
  }
  limits_.set(std::make_shared<const Limits>(std::move(limits)));
}

std::string Exporter::text() const {
  Page page;
  for (const Section section : kSections) section(page, sources_);
  page.open("perilune_sessions_limit", "Sessions that may be open at a time", MetricType::Gauge);
  if (const auto limits = limits_.get()) {
    for (const auto& [listener, limit] : *limits) {
      page.add({{"listener", listener}}, static_cast<double>(limit));
    }
  }
  const std::chrono::duration<double> started = started_at_.time_since_epoch();
  page.open("process_start_time_seconds", "When the process was started, in seconds since 1970",
            MetricType::Gauge)
      .add({}, started.count());
  return page.text();
}

}  // namespace perilune::daemon
