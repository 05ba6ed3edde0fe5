#include "event/task_group.hh"

#include <exception>
#include <utility>

namespace perilune::event {

class TaskGroup::Entry final : public Completion {
 public:
  Entry(TaskGroup& group, Task<> task) noexcept
      : group_(group), task_(std::move(task)), next_(group.first_) {
    if (next_ != nullptr) next_->previous_ = this;
    group_.first_ = this;
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry() {
    (previous_ != nullptr ? previous_->next_ : group_.first_) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
    --group_.size_;
  }

  void start() noexcept { task_.start(*this); }

 private:
  void completed(std::exception_ptr error) noexcept override {
    if (error) std::terminate();
    group_.reap(this);
  }

  TaskGroup& group_;
  Task<> task_;
  Entry* previous_ = nullptr;
  Entry* next_;
};

TaskGroup::~TaskGroup() {
  *alive_ = false;
  // A task that is cancelled may still spawn another one.
  while (first_ != nullptr) delete first_;  // NOLINT: the entry unlinks itself
}

void TaskGroup::spawn(Task<> task) {
  auto* entry = new Entry(*this, std::move(task));
  ++size_;
  entry->start();
}

void TaskGroup::reap(Entry* entry) noexcept {
  loop_.defer([alive = alive_, entry] {
    if (*alive) delete entry;
  });
}

}  // namespace perilune::event
