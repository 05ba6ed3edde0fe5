#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace perilune::session {

// A text that most sessions have in common, such as a server's version: assigning one of the latest
// few of the same pool costs no memory.
class SharedText {
 public:
  using Shared = std::shared_ptr<const std::string>;

  // The latest texts of a thread's sessions.
  class Pool {
   public:
    Shared share(std::string text) {
      for (const Shared& known : latest_) {
        if (known && *known == text) return known;
      }
      next_ = (next_ + 1) % latest_.size();
      latest_[next_] = std::make_shared<const std::string>(std::move(text));
      return latest_[next_];
    }

   private:
    std::array<Shared, 8> latest_;
    std::size_t next_ = 0;
  };

  explicit SharedText(Pool& pool) noexcept : pool_(pool) {}
  SharedText(const SharedText&) = delete;

  SharedText& operator=(std::string text) {
    text_ = pool_.share(std::move(text));
    return *this;
  }
  SharedText& operator=(const SharedText&) = delete;

  const std::string& text() const noexcept {
    static const std::string none;
    return text_ ? *text_ : none;
  }
  operator const std::string&() const noexcept { return text(); }  // NOLINT: reads like a string
  bool empty() const noexcept { return text().empty(); }

 private:
  Pool& pool_;
  Shared text_;
};

}  // namespace perilune::session
