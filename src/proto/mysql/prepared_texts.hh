#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "util/bytes.hh"
#include "wire/mysql/parameters.hh"

namespace perilune::proto::mysql {

// What a session's prepared statements were prepared from, for its logs.
class PreparedTexts {
 public:
  // Of all that is kept for a session. Beyond it texts and long data are cut, and statements are
  // unknown.
  static constexpr std::size_t kMostBytes = 4 << 20;

  using LongData = std::map<std::uint16_t, std::string>;
  struct Prepared {
    std::string text;
    std::uint64_t size = 0;   // of the whole text
    std::uint16_t count = 0;  // of parameters, once it is entered
    bool is_closed = false;
    bool cuts_long_data = false;
    std::vector<wire::mysql::ParameterType> types;
    LongData long_data;
    std::size_t claimed = 0;
  };
  using Shared = std::shared_ptr<Prepared>;

  // A statement is on its way to be prepared: "the last one" from now on.
  Shared begin(std::string_view text, std::uint64_t size);
  // Its server's number.
  void enter(std::uint32_t id, std::uint16_t count, const Shared& prepared);
  Shared find(std::uint32_t id) const;  // null: unknown
  void close(std::uint32_t id);
  // The beginning of a payload of so many bytes, of which so much is kept for a statement.
  void add_long_data(Bytes payload, std::uint64_t size, std::size_t most);
  LongData take_long_data(Prepared& prepared) noexcept;
  void clear() noexcept;

  std::size_t used() const noexcept { return used_; }

 private:
  std::size_t claim(Prepared& prepared, std::size_t bytes) noexcept;
  void give_back(Prepared& prepared, std::size_t bytes) noexcept;

  std::map<std::uint32_t, Shared> statements_;
  Shared last_;
  std::size_t used_ = 0;
};

}  // namespace perilune::proto::mysql
