#include "proto/mysql/prepared_texts.hh"

#include <algorithm>
#include <utility>

#include "wire/cursor.hh"

namespace perilune::proto::mysql {

namespace {

// MariaDB's "the statement prepared last".
constexpr std::uint32_t kLastStatement = 0xFFFFFFFFU;

}  // namespace

std::string_view PreparedTexts::claim(std::string_view bytes) noexcept {
  const std::string_view part = bytes.substr(0, kMostBytes - used_);
  used_ += part.size();
  return part;
}

void PreparedTexts::give_back(Prepared& prepared) noexcept {
  used_ -= prepared.text.size();
  forget_long_data(prepared);
}

PreparedTexts::Shared PreparedTexts::begin(std::string_view text, std::uint64_t size) {
  auto prepared = std::make_shared<Prepared>();
  prepared->text = text;
  prepared->size = size;
  last_ = prepared;
  return prepared;
}

void PreparedTexts::enter(std::uint32_t id, std::uint16_t count, const Shared& prepared) {
  if (prepared->is_closed) return;
  close(id);
  prepared->count = count;
  prepared->is_closed = false;
  prepared->text.resize(claim(prepared->text).size());
  prepared->text.shrink_to_fit();
  statements_[id] = prepared;
}

PreparedTexts::Shared PreparedTexts::find(std::uint32_t id) const {
  if (id == kLastStatement && last_) return last_;
  const auto found = statements_.find(id);
  if (found != statements_.end()) return found->second;
  auto unknown = std::make_shared<Prepared>();
  unknown->is_known = false;
  return unknown;
}

void PreparedTexts::close(std::uint32_t id) {
  const bool is_last = id == kLastStatement && last_;
  const auto found = std::ranges::find_if(statements_, [&](const auto& entry) {
    return is_last ? entry.second == last_ : entry.first == id;
  });
  if (is_last) last_->is_closed = true;
  if (found == statements_.end()) return;
  give_back(*found->second);
  statements_.erase(found);
}

// "COM_STMT_SEND_LONG_DATA"
void PreparedTexts::add_long_data(Bytes payload) {
  wire::Cursor in{payload};
  in.u8();
  const std::uint32_t id = in.u32();
  const std::uint16_t number = in.u16();
  if (!in.ok()) return;
  const Shared prepared = find(id);
  const bool is_kept = statements_.contains(id) && prepared->is_known;
  if (is_kept) prepared->long_data[number].append(claim(as_text(in.rest())));
}

void PreparedTexts::forget_long_data(Prepared& prepared) noexcept {
  for (const auto& [number, data] : prepared.long_data) used_ -= data.size();
  prepared.long_data.clear();
}

void PreparedTexts::clear() noexcept {
  statements_.clear();
  last_.reset();
  used_ = 0;
}

}  // namespace perilune::proto::mysql
