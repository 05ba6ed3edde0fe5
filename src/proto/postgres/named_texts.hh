#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace perilune::proto::postgres {

// What a session's prepared statements were prepared from, and what its portals were bound to, for
// its logs.
class NamedTexts {
 public:
  // Of all that is kept for a session. Beyond it texts and values are cut, and further names are
  // unknown.
  static constexpr std::size_t kMostBytes = 4 << 20;

  struct Statement {
    std::string text;
    std::uint64_t size = 0;            // of the whole text
    std::vector<std::uint32_t> types;  // of parameters, as far as anybody has named them
  };
  using SharedStatement = std::shared_ptr<Statement>;

  struct Portal {
    SharedStatement statement;  // null: unknown
    std::string values;         // of Bind, from behind the names, or their beginning
    bool is_cut = false;
  };
  using SharedPortal = std::shared_ptr<Portal>;

  SharedStatement statement(std::string_view name) const;  // null: unknown
  SharedPortal portal(std::string_view name) const;        // null: unknown

  // One to fill and put: that of before with its memory, if nobody has it any more.
  SharedPortal make_portal();

  // Takes the place of what had this name; null: there is none any more.
  void put(std::string_view name, SharedStatement statement);
  // born: grows from one to the next.
  void put(std::string_view name, SharedPortal portal, std::uint64_t born);
  // A transaction has ended: portals older than this are gone.
  void end_portals(std::uint64_t before);

  std::size_t used() const noexcept { return used_; }

 private:
  template <typename Shared>
  struct Entry {
    Shared value;
    std::size_t claimed = 0;
    std::uint64_t born = 0;
  };
  // The unnamed one, which most clients use for everything, has a place of its own.
  template <typename Shared>
  struct Names {
    Entry<Shared> unnamed;
    std::map<std::string, Entry<Shared>, std::less<>> named;
  };

  template <typename Shared>
  static Shared find(const Names<Shared>& names, std::string_view name);
  template <typename Shared>
  void erase(Names<Shared>& names, std::string_view name);
  template <typename Shared>
  static void enter(Names<Shared>& names, std::string_view name, Entry<Shared> entry);
  std::size_t claim(std::size_t bytes) noexcept;
  void clear_spare() noexcept;

  Names<SharedStatement> statements_;
  Names<SharedPortal> portals_;
  SharedPortal spare_;  // the last one that was made
  std::size_t used_ = 0;
};

}  // namespace perilune::proto::postgres
