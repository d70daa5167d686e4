// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A clip in memory, and the millisecond stamp that a viewer's page reads back.
// Raw clips are I420 frames of 1280x720 one after the other; encoded ones are
// access units, each behind its length (uint32, little endian).
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace robotlive::bench {

constexpr unsigned width = 1280;
constexpr unsigned height = 720;
constexpr std::size_t raw_frame = width * height * 3 / 2;

class Clip
{
public:
  Clip (const std::string &path, bool raw)
  {
    const int fd = open (path.c_str (), O_RDONLY | O_CLOEXEC);
    struct stat info = {};
    if (fd < 0 || fstat (fd, &info) != 0 || info.st_size < 16)
      throw std::runtime_error ("cannot read " + path);
    size_ = static_cast<std::size_t> (info.st_size);
    void *data = mmap (nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    close (fd);
    if (data == MAP_FAILED)
      throw std::runtime_error ("cannot map " + path);
    data_ = static_cast<const char *> (data);
    std::size_t at = 0;
    while (at + (raw ? raw_frame : 4) <= size_) {
      std::uint32_t length = raw_frame;
      if (!raw) {
        std::memcpy (&length, data_ + at, 4);
        at += 4;
      }
      if (length == 0 || length > size_ - at)
        throw std::runtime_error (path + " is damaged");
      frames_.emplace_back (data_ + at, length);
      at += length;
    }
  }
  ~Clip () { munmap (const_cast<char *> (data_), size_); }
  Clip (const Clip &) = delete;
  Clip &operator= (const Clip &) = delete;

  std::string_view frame (std::uint64_t n) const
  {
    return frames_[n % frames_.size ()];
  }

private:
  const char *data_ = nullptr;
  std::size_t size_ = 0;
  std::vector<std::string_view> frames_;
};

inline std::uint64_t
wall_ms ()
{
  timespec now = {};
  clock_gettime (CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t> (now.tv_sec) * 1000 +
         static_cast<std::uint64_t> (now.tv_nsec) / 1000000;
}

// 24 bits of the time in ms as 16x16 blocks in the top left corner, most
// significant first, and the same inverted below: a macroblock a bit, so that
// it survives the encoder, and a damaged picture cannot be misread.
inline void
stamp (std::uint8_t *luma, std::uint64_t ms)
{
  constexpr unsigned block = 16, bits = 24;
  for (unsigned bit = 0; bit < bits; ++bit) {
    const bool one = (ms >> (bits - 1 - bit)) & 1;
    for (unsigned y = 0; y < 2 * block; ++y)
      std::memset (
          luma + y * width + bit * block, one == (y < block) ? 235 : 16, block);
  }
}

} // namespace robotlive::bench
