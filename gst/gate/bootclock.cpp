// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gate/bootclock.hpp"
#include <atomic>
#include <cerrno>
#include <ctime>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace robotlive {

namespace {

constexpr std::int64_t kNsPerSecond = 1000000000;

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

struct BootTimer::Shared
{
  int timer_fd = timerfd_create (CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  int wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::atomic<bool> stopped{false};
  Work work;
  std::thread thread;

  ~Shared ()
  {
    if (timer_fd >= 0)
      close (timer_fd);
    if (wake_fd >= 0)
      close (wake_fd);
  }

  void wake ()
  {
    const std::uint64_t one = 1;
    while (write (wake_fd, &one, sizeof one) < 0 && errno == EINTR)
      ;
  }

  void run ()
  {
    struct pollfd fds[] = {{timer_fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
    while (!stopped) {
      arm (timer_fd, work ());
      while (!stopped && poll (fds, 2, -1) < 0 && errno == EINTR)
        ;
      drain (timer_fd);
      drain (wake_fd);
    }
    work = nullptr;
  }
};

bool
BootTimer::start (const char *name, Work work)
{
  stop ();
  auto shared = std::make_shared<Shared> ();
  if (shared->timer_fd < 0 || shared->wake_fd < 0)
    return false;
  shared->work = std::move (work);
  try {
    shared->thread = std::thread ([shared] { shared->run (); });
  } catch (const std::system_error &) {
    return false;
  }
  pthread_setname_np (shared->thread.native_handle (), name);
  const std::lock_guard<std::mutex> guard (lock_);
  shared_ = std::move (shared);
  return true;
}

void
BootTimer::stop ()
{
  std::shared_ptr<Shared> shared;
  {
    const std::lock_guard<std::mutex> guard (lock_);
    shared.swap (shared_);
  }
  if (!shared)
    return;
  shared->stopped = true;
  shared->wake ();
  if (shared->thread.get_id () == std::this_thread::get_id ())
    shared->thread.detach ();
  else
    shared->thread.join ();
}

void
BootTimer::wake ()
{
  std::shared_ptr<Shared> shared;
  {
    const std::lock_guard<std::mutex> guard (lock_);
    shared = shared_;
  }
  if (shared)
    shared->wake ();
}

} // namespace robotlive
