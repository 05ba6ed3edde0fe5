#include "session/rsa_key_source.hh"

#include <exception>
#include <stdexcept>
#include <utility>

#include "event/offload.hh"

namespace perilune::session {

event::Task<std::shared_ptr<const auth::RsaKey>> RsaKeySource::key(
    std::shared_ptr<RsaKeySource> source, event::Loop& loop) {
  event::Offload making{loop, [source] { source->make(); }};
  co_await making;
  if (!source->key_) throw std::runtime_error("no RSA key could be made");
  co_return source->key_;
}

void RsaKeySource::make() {
  std::call_once(once_, [this] {
    try {
      key_ = std::make_shared<const auth::RsaKey>(auth::RsaKey::generate());
    } catch (const std::exception&) {
      key_ = nullptr;
    }
  });
}

}  // namespace perilune::session
