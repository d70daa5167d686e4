// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The gate's clock and timer on a machine that has slept: a time namespace
// (time_namespaces(7)) in which CLOCK_BOOTTIME is a day ahead of
// CLOCK_MONOTONIC, as after a day of suspend.
#include "gate/bootclock.hpp"
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace robotlive;

namespace {

constexpr BootNs kSecond = 1000000000;
constexpr BootNs kDay = 86400 * kSecond;
constexpr int kNoNamespace = 77;

BootNs
read_clock (clockid_t clock)
{
  struct timespec time = {};
  clock_gettime (clock, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

int
status_of (pid_t child)
{
  int status = 0;
  while (waitpid (child, &status, 0) < 0 && errno == EINTR)
    ;
  return WIFEXITED (status) ? WEXITSTATUS (status) : 1;
}

// The exit status of *work* after a day of sleep; kNoNamespace where the kernel
// grants none.
int
after_a_day_of_sleep (bool (*work) ())
{
  const pid_t outer = fork ();
  if (outer != 0)
    return status_of (outer);
  if (unshare (CLONE_NEWTIME) && unshare (CLONE_NEWUSER | CLONE_NEWTIME))
    _exit (kNoNamespace);
  std::FILE *offsets = std::fopen ("/proc/self/timens_offsets", "w");
  if (!offsets || std::fputs ("boottime 86400 0\n", offsets) < 0 ||
      std::fclose (offsets))
    _exit (kNoNamespace);
  // The namespace is the children's.
  const pid_t inner = fork ();
  if (inner == 0)
    _exit (work () ? 0 : 1);
  _exit (status_of (inner));
}

bool
the_clock_counts_the_sleep ()
{
  // Read between two readings of the other one.
  const BootNs before = read_clock (CLOCK_MONOTONIC);
  const BootNs boot = boot_now ();
  const Anchor both = clocks_now ();
  return boot - before >= kDay && both.boot >= boot &&
         both.epoch_ns - read_clock (CLOCK_REALTIME) <= 0;
}

// A timer that slept on another clock would come a day late.
bool
the_timer_counts_the_sleep ()
{
  std::mutex mutex;
  std::condition_variable changed;
  BootNs due = 0, came = 0;
  BootTimer timer;
  const bool started = timer.start ("test", [&] {
    const std::lock_guard<std::mutex> lock (mutex);
    if (!due)
      return due = boot_now () + kSecond / 20;
    if (boot_now () >= due && !came) {
      came = boot_now ();
      changed.notify_one ();
    }
    return kNeverNs;
  });
  std::unique_lock<std::mutex> lock (mutex);
  const bool in_time = changed.wait_for (
      lock, std::chrono::seconds (30), [&came] { return came != 0; });
  lock.unlock ();
  timer.stop ();
  return started && in_time && came >= due;
}

void
expect_success (int status)
{
  if (status == kNoNamespace)
    GTEST_SKIP () << "the kernel grants no time namespace";
  EXPECT_EQ (status, 0);
}

} // namespace

TEST (BootClock, CountsWhatTheMachineSlept)
{
  expect_success (after_a_day_of_sleep (the_clock_counts_the_sleep));
}

TEST (BootTimer, CountsWhatTheMachineSlept)
{
  expect_success (after_a_day_of_sleep (the_timer_counts_the_sleep));
}

// A time that has passed meanwhile comes at once, and a wake () before its
// time.
TEST (BootTimer, ComesAtOnceWhenItsTimeHasPassed)
{
  std::mutex mutex;
  std::condition_variable changed;
  int calls = 0;
  BootTimer timer;
  ASSERT_TRUE (timer.start ("test", [&] {
    const std::lock_guard<std::mutex> lock (mutex);
    ++calls;
    changed.notify_one ();
    return calls == 1 ? boot_now () - kDay : kNeverNs;
  }));
  std::unique_lock<std::mutex> lock (mutex);
  const auto reached = [&] (int count) {
    return changed.wait_for (
        lock, std::chrono::seconds (30), [&] { return calls >= count; });
  };
  EXPECT_TRUE (reached (2));
  lock.unlock ();
  timer.wake ();
  lock.lock ();
  EXPECT_TRUE (reached (3));
}
