// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The gate's clock and timer on a machine that has slept: a time namespace
// (time_namespaces(7)) in which CLOCK_BOOTTIME is a day ahead of
// CLOCK_MONOTONIC, as after a day of suspend.
#include "gate/bootclock.hpp"
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
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

namespace {

// How many threads of this process have this name.
int
threads_named (const std::string &name)
{
  int count = 0;
  for (const auto &task :
      std::filesystem::directory_iterator ("/proc/self/task")) {
    std::string comm;
    std::getline (std::ifstream (task.path () / "comm"), comm);
    count += comm == name;
  }
  return count;
}

// The kernel takes a thread off the list a moment after its end.
bool
comes_to (const std::string &name, int count)
{
  for (int i = 0; i < 3000; i++) {
    if (threads_named (name) == count)
      return true;
    usleep (10000);
  }
  return false;
}

// Something that is waited for.
class Flag
{
public:
  void set ()
  {
    const std::lock_guard<std::mutex> guard (mutex_);
    set_ = true;
    changed_.notify_all ();
  }
  bool wait ()
  {
    std::unique_lock<std::mutex> lock (mutex_);
    return changed_.wait_for (
        lock, std::chrono::seconds (30), [this] { return set_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

} // namespace

TEST (BootTimer, OneThreadSleepsForAll)
{
  std::vector<std::unique_ptr<BootTimer>> timers;
  std::vector<std::unique_ptr<Flag>> second;
  for (int i = 0; i < 50; i++) {
    timers.push_back (std::make_unique<BootTimer> ());
    second.push_back (std::make_unique<Flag> ());
    auto calls = std::make_shared<std::atomic<int>> (0);
    ASSERT_TRUE (timers.back ()->start (
        "tells", [calls, i, flag = second.back ().get ()] {
          if (++*calls == 1)
            return boot_now () + kSecond / 100 * (50 - i);
          flag->set ();
          return kNeverNs;
        }));
  }
  EXPECT_TRUE (comes_to ("gate-clock", 1));
  for (const auto &flag : second)
    EXPECT_TRUE (flag->wait ());
  EXPECT_TRUE (comes_to ("tells", 0));
  EXPECT_TRUE (comes_to ("gate-clock", 1));
  // And for none, none.
  timers.resize (1);
  EXPECT_TRUE (comes_to ("gate-clock", 1));
  timers.clear ();
  EXPECT_TRUE (comes_to ("gate-clock", 0));
}

// As a handler of the application's may.
TEST (BootTimer, OneThatHangsHoldsUpNoOther)
{
  Flag hangs, go_on, came;
  BootTimer slow, other;
  ASSERT_TRUE (slow.start ("slow", [&] {
    hangs.set ();
    go_on.wait ();
    return kNeverNs;
  }));
  ASSERT_TRUE (hangs.wait ());
  slow.wake (); // it is in there
  auto calls = std::make_shared<std::atomic<int>> (0);
  ASSERT_TRUE (other.start ("other", [&, calls] {
    if (++*calls == 1)
      return boot_now () + kSecond / 50;
    came.set ();
    return kNeverNs;
  }));
  EXPECT_TRUE (came.wait ());
  other.stop ();
  go_on.set ();
  slow.stop ();
}

// Nothing runs any more, and what the work held is free.
TEST (BootTimer, StopsWhileItRuns)
{
  for (int i = 0; i < 200; i++) {
    auto held = std::make_shared<std::atomic<int>> (0);
    BootTimer timer;
    ASSERT_TRUE (timer.start ("test", [held] {
      ++*held;
      return boot_now () + 1000;
    }));
    while (*held < 2)
      timer.wake ();
    timer.stop ();
    EXPECT_EQ (held.use_count (), 1);
    const int calls = *held;
    timer.wake ();
    usleep (i % 10 == 0 ? 2000 : 0);
    EXPECT_EQ (*held, calls);
  }
}

TEST (BootTimer, StopsAndStartsInItsOwnWork)
{
  Flag again;
  auto held = std::make_shared<int> (0);
  BootTimer timer;
  ASSERT_TRUE (timer.start ("first", [&timer, &again, held] {
    timer.stop ();
    EXPECT_TRUE (timer.start ("second", [&again] {
      again.set ();
      return kNeverNs;
    }));
    return boot_now ();
  }));
  EXPECT_TRUE (again.wait ());
  EXPECT_TRUE (comes_to ("first", 0));
  EXPECT_EQ (held.use_count (), 1);
  timer.stop ();
}
