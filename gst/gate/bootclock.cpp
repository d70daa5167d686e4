// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gate/bootclock.hpp"
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <ctime>
#include <map>
#include <optional>
#include <poll.h>
#include <pthread.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace robotlive {

namespace {

constexpr std::int64_t kNsPerSecond = 1000000000;
constexpr BootNs kTryAgain = kNsPerSecond / 10;

std::int64_t
clock_ns (clockid_t clock)
{
  struct timespec time = {};
  clock_gettime (clock, &time);
  return time.tv_sec * kNsPerSecond + time.tv_nsec;
}

void
arm (int timer_fd, BootNs when)
{
  // All zero disarms; a time that has passed fires at once.
  struct itimerspec spec = {};
  if (when != kNeverNs) {
    spec.it_value.tv_sec = when > 0 ? when / kNsPerSecond : 0;
    spec.it_value.tv_nsec = when > 0 ? when % kNsPerSecond : 1;
  }
  timerfd_settime (timer_fd, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void
drain (int fd)
{
  std::uint64_t count = 0;
  while (read (fd, &count, sizeof count) < 0 && errno == EINTR)
    ;
}

} // namespace

Anchor
clocks_now ()
{
  return {clock_ns (CLOCK_BOOTTIME), clock_ns (CLOCK_REALTIME)};
}

// One timer. Its lock comes before the sleeper's.
struct BootTimer::Entry : std::enable_shared_from_this<Entry>
{
  using Place = std::multimap<BootNs, std::shared_ptr<Entry>>::iterator;

  std::string name;
  std::optional<Place> place; // in the sleeper's list; under its lock

  std::mutex lock; // of all below
  std::condition_variable idle;
  // Null once stopped. Whoever stops it lets go: never the sleeper's thread.
  std::shared_ptr<Sleeper> sleeper;
  Work work;
  bool running = false, again = false;
  bool stopped_by_itself = false; // nobody else frees the work
  std::thread::id runner;

  void fire ();
  void run ();
};

// The thread that sleeps until the first of the times.
class BootTimer::Sleeper
{
public:
  // Null when there can be none.
  static std::shared_ptr<Sleeper> get ();
  ~Sleeper ();

  void set (const std::shared_ptr<Entry> &entry, BootNs when);

private:
  bool start ();
  void wake () const;
  void run ();
  void leave (Entry &entry); // with the lock held

  int timer_fd_ = timerfd_create (CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  int wake_fd_ = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::mutex lock_; // of the list; a leaf
  std::multimap<BootNs, std::shared_ptr<Entry>> list_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

std::shared_ptr<BootTimer::Sleeper>
BootTimer::Sleeper::get ()
{
  // Neither is ever freed: gates end in exit handlers, too.
  static auto &lock = *new std::mutex;
  static auto &current = *new std::weak_ptr<Sleeper>;
  const std::lock_guard<std::mutex> guard (lock);
  auto sleeper = current.lock ();
  if (sleeper)
    return sleeper;
  sleeper = std::make_shared<Sleeper> ();
  if (!sleeper->start ())
    return nullptr;
  current = sleeper;
  return sleeper;
}

bool
BootTimer::Sleeper::start ()
{
  if (timer_fd_ < 0 || wake_fd_ < 0)
    return false;
  try {
    thread_ = std::thread ([this] { run (); });
  } catch (const std::system_error &) {
    return false;
  }
  pthread_setname_np (thread_.native_handle (), "gate-clock");
  return true;
}

BootTimer::Sleeper::~Sleeper ()
{
  if (thread_.joinable ()) {
    stopped_ = true;
    wake ();
    thread_.join ();
  }
  for (const int fd : {timer_fd_, wake_fd_})
    if (fd >= 0)
      close (fd);
}

void
BootTimer::Sleeper::wake () const
{
  const std::uint64_t one = 1;
  while (write (wake_fd_, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

void
BootTimer::Sleeper::leave (Entry &entry)
{
  if (entry.place)
    list_.erase (*entry.place);
  entry.place.reset ();
}

void
BootTimer::Sleeper::set (const std::shared_ptr<Entry> &entry, BootNs when)
{
  bool first = false;
  {
    const std::lock_guard<std::mutex> guard (lock_);
    leave (*entry);
    if (when != kNeverNs) {
      entry->place = list_.emplace (when, entry);
      first = *entry->place == list_.begin ();
    }
  }
  if (first)
    wake ();
}

void
BootTimer::Sleeper::run ()
{
  struct pollfd fds[] = {{timer_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  while (!stopped_) {
    std::vector<std::shared_ptr<Entry>> due;
    {
      const std::lock_guard<std::mutex> guard (lock_);
      for (const BootNs now = boot_now ();
           !list_.empty () && list_.begin ()->first <= now;) {
        due.push_back (list_.begin ()->second);
        leave (*due.back ());
      }
      arm (timer_fd_, list_.empty () ? kNeverNs : list_.begin ()->first);
    }
    for (const auto &entry : due)
      entry->fire ();
    while (!stopped_ && poll (fds, 2, -1) < 0 && errno == EINTR)
      ;
    drain (timer_fd_);
    drain (wake_fd_);
  }
}

void
BootTimer::Entry::fire ()
{
  const std::lock_guard<std::mutex> guard (lock);
  if (!sleeper)
    return;
  again = running;
  if (running)
    return;
  running = true;
  try {
    std::thread ([self = shared_from_this ()] { self->run (); }).detach ();
  } catch (const std::system_error &) {
    // No thread to be had: nobody's business but ours, so not on this one.
    running = false;
    sleeper->set (shared_from_this (), boot_now () + kTryAgain);
  }
}

void
BootTimer::Entry::run ()
{
  pthread_setname_np (pthread_self (), name.c_str ());
  Work over; // freed without the lock
  std::unique_lock<std::mutex> guard (lock);
  runner = std::this_thread::get_id ();
  BootNs when = kNeverNs;
  while (sleeper) {
    again = false;
    guard.unlock ();
    when = work ();
    guard.lock ();
    if (!again)
      break;
  }
  runner = {};
  running = false;
  if (sleeper)
    sleeper->set (shared_from_this (), when);
  else if (stopped_by_itself)
    over.swap (work);
  idle.notify_all ();
}

bool
BootTimer::start (const char *name, Work work)
{
  stop ();
  auto entry = std::make_shared<Entry> ();
  entry->sleeper = Sleeper::get ();
  if (!entry->sleeper)
    return false;
  entry->name = name;
  entry->work = std::move (work);
  {
    const std::lock_guard<std::mutex> guard (lock_);
    entry_ = entry;
  }
  entry->fire ();
  return true;
}

void
BootTimer::stop ()
{
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard<std::mutex> guard (lock_);
    entry.swap (entry_);
  }
  if (!entry)
    return;
  // Both go without the lock, the work first: it may hold the gate.
  std::shared_ptr<Sleeper> sleeper;
  Work over;
  std::unique_lock<std::mutex> guard (entry->lock);
  sleeper.swap (entry->sleeper);
  sleeper->set (entry, kNeverNs);
  entry->stopped_by_itself =
      entry->running && entry->runner == std::this_thread::get_id ();
  if (entry->stopped_by_itself)
    return;
  entry->idle.wait (guard, [&entry] { return !entry->running; });
  over.swap (entry->work);
}

void
BootTimer::wake ()
{
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard<std::mutex> guard (lock_);
    entry = entry_;
  }
  if (entry)
    entry->fire ();
}

} // namespace robotlive
