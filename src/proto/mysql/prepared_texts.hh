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
  // Of all texts of a session, and of all long data; beyond it they are cut.
  static constexpr std::size_t kMostBytes = 4 << 20;

  struct Prepared {
    std::string text;
    std::uint64_t size = 0;      // of the whole text
    std::uint16_t count = 0;     // of parameters
    bool is_known = true;        // false: it was prepared before anybody listened
    bool is_closed = false;
    std::vector<wire::mysql::ParameterType> types;
    std::map<std::uint16_t, std::string> long_data;
  };
  using Shared = std::shared_ptr<Prepared>;

  // A statement is on its way to be prepared: "the last one" from now on.
  Shared begin(std::string_view text, std::uint64_t size);
  // Its server's number.
  void enter(std::uint32_t id, std::uint16_t count, const Shared& prepared);
  Shared find(std::uint32_t id) const;  // never null
  void close(std::uint32_t id);
  void add_long_data(Bytes payload);
  void forget_long_data(Prepared& prepared) noexcept;
  void clear() noexcept;

 private:
  std::string_view claim(std::string_view bytes) noexcept;
  void give_back(Prepared& prepared) noexcept;

  std::map<std::uint32_t, Shared> statements_;
  Shared last_;
  std::size_t used_ = 0;
};

}  // namespace perilune::proto::mysql
