#include "proto/mysql/prepared_texts.hh"

#include <algorithm>
#include <utility>

#include "wire/cursor.hh"

namespace perilune::proto::mysql {

namespace {

// MariaDB's "the statement prepared last".
constexpr std::uint32_t kLastStatement = 0xFFFFFFFFU;
// What a statement takes besides its text.
constexpr std::size_t kOverhead = 256;

std::size_t size_of(const PreparedTexts::LongData& long_data) noexcept {
  std::size_t sum = 0;
  for (const auto& [number, data] : long_data) sum += data.size();
  return sum;
}

}  // namespace

std::size_t PreparedTexts::claim(Prepared& prepared, std::size_t bytes) noexcept {
  const std::size_t granted = std::min(bytes, kMostBytes - used_);
  used_ += granted;
  prepared.claimed += granted;
  return granted;
}

void PreparedTexts::give_back(Prepared& prepared, std::size_t bytes) noexcept {
  used_ -= bytes;
  prepared.claimed -= bytes;
}

PreparedTexts::Shared PreparedTexts::begin(std::string_view text, std::uint64_t size) {
  auto prepared = std::make_shared<Prepared>();
  prepared->text = text;
  prepared->size = size;
  last_ = prepared;
  return prepared;
}

// With room for the types of its parameters.
void PreparedTexts::enter(std::uint32_t id, std::uint16_t count, const Shared& prepared) {
  prepared->count = count;
  if (prepared->is_closed) return;
  close(id);
  const std::size_t fixed = kOverhead + count * sizeof(wire::mysql::ParameterType);
  if (fixed > kMostBytes - used_) return;
  claim(*prepared, fixed);
  prepared->text.resize(claim(*prepared, prepared->text.size()));
  prepared->text.shrink_to_fit();
  statements_[id] = prepared;
}

PreparedTexts::Shared PreparedTexts::find(std::uint32_t id) const {
  if (id == kLastStatement) return last_;
  const auto found = statements_.find(id);
  return found != statements_.end() ? found->second : nullptr;
}

void PreparedTexts::close(std::uint32_t id) {
  const bool is_last = id == kLastStatement && last_;
  const auto found = std::ranges::find_if(statements_, [&](const auto& entry) {
    return is_last ? entry.second == last_ : entry.first == id;
  });
  if (is_last) last_->is_closed = true;
  if (found == statements_.end()) return;
  Prepared& prepared = *found->second;
  prepared.long_data.clear();
  give_back(prepared, prepared.claimed);
  statements_.erase(found);
}

// "COM_STMT_SEND_LONG_DATA"
void PreparedTexts::add_long_data(Bytes payload, std::uint64_t size, std::size_t most) {
  wire::Cursor in{payload};
  in.u8();
  const std::uint32_t id = in.u32();
  const std::uint16_t number = in.u16();
  const auto found = statements_.find(id);
  if (!in.ok() || found == statements_.end()) return;
  Prepared& prepared = *found->second;
  const std::string_view data = as_text(in.rest());
  const std::size_t room = most - std::min(most, size_of(prepared.long_data));
  const std::size_t kept = claim(prepared, std::min(data.size(), room));
  prepared.long_data[number].append(data.substr(0, kept));
  prepared.cuts_long_data = prepared.cuts_long_data || kept < data.size() || size > payload.size();
}

PreparedTexts::LongData PreparedTexts::take_long_data(Prepared& prepared) noexcept {
  const std::size_t bytes = std::min(size_of(prepared.long_data), prepared.claimed);
  give_back(prepared, bytes);
  return std::exchange(prepared.long_data, {});
}

void PreparedTexts::clear() noexcept {
  for (const auto& [id, prepared] : statements_) {
    prepared->long_data.clear();
    prepared->claimed = 0;
  }
  statements_.clear();
  last_.reset();
  used_ = 0;
}

}  // namespace perilune::proto::mysql
