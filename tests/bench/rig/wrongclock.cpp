// SPDX-License-Identifier: LGPL-2.1-or-later
//
// To be preloaded (LD_PRELOAD): moves the wall clock of one process by the
// seconds (int64, this machine's byte order) at the start of the file that
// WRONG_CLOCK names, from one moment to the next as they are written there.
// Monotonic clocks and all waits stay as they are. libfaketime 0.9.10 makes
// absolute waits on CLOCK_MONOTONIC and CLOCK_BOOTTIME return at once: cameras
// then send as fast as they can.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

const std::atomic<std::int64_t> *
offset_file ()
{
  const char *path = std::getenv ("WRONG_CLOCK");
  const int fd = path == nullptr ? -1 : open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return nullptr;
  void *data =
      mmap (nullptr, sizeof (std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
  close (fd);
  return data == MAP_FAILED
             ? nullptr
             : static_cast<const std::atomic<std::int64_t> *> (data);
}

std::int64_t
offset ()
{
  static const auto *const file = offset_file ();
  return file == nullptr ? 0 : file->load ();
}

} // namespace

extern "C" {

int
clock_gettime (clockid_t clock, timespec *time) noexcept
{
  const int result =
      static_cast<int> (syscall (SYS_clock_gettime, clock, time));
  if (result == 0 && (clock == CLOCK_REALTIME ||
                         clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI))
    time->tv_sec += offset ();
  return result;
}

int
gettimeofday (timeval *time, void *) noexcept
{
  timespec now = {};
  clock_gettime (CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t
time (time_t *out) noexcept
{
  timespec now = {};
  clock_gettime (CLOCK_REALTIME, &now);
  if (out != nullptr)
    *out = now.tv_sec;
  return now.tv_sec;
}

int
timespec_get (timespec *time, int base) noexcept
{
  if (base != TIME_UTC)
    return 0;
  clock_gettime (CLOCK_REALTIME, time);
  return base;
}
}
