#include "unit/proto/mysql/phase_stage.hh"

#include <utility>

namespace perilune::test {

namespace {

class PhaseDriver final : public StageDriver {
 public:
  explicit PhaseDriver(const StageOptions& options) {
    connection_.capabilities = options.capabilities;
    connection_.status = options.status;
  }
  void connect(std::unique_ptr<net::Stream> server) override {
    connection_.server = std::move(server);
  }
  event::Task<> serve(session::Session& session, net::Stream& client) const override {
    proto::mysql::CommandPhase phase{session, client, std::move(connection_)};
    co_await run(phase);
  }

 private:
  mutable proto::mysql::Connection connection_;
};

}  // namespace

PhaseStage::PhaseStage(const StageOptions& options)
    : AnyStage(std::make_unique<PhaseDriver>(options), {options.max_query, options.gathered}) {}

}  // namespace perilune::test
