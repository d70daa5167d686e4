// SPDX-License-Identifier: LGPL-2.1-or-later
//
// UdpSender: sends datagrams that are ready together with one system call, and
// those of one size with one way through the kernel (UDP_SEGMENT). What it does
// not take is lost, as on the path: nobody waits.
//
// Knows no GStreamer. One thread at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <sys/socket.h>
#include <vector>

namespace robotlive {

class UdpSender
{
public:
  // Where the next datagram of up to *size* bytes is to be written. Valid until
  // the next call.
  std::uint8_t *room (std::size_t size);
  // It is there now, of *size* bytes.
  void add (std::size_t size);
  // As many wait as shall: send ().
  bool full () const { return end_ >= kFull; }

  // Those that wait leave, in their order. *to* is an address of *length*. Not
  // *together*: each by its own way through the kernel.
  void send (
      int fd, const sockaddr *to, socklen_t length, bool together = true);
  // Another socket, or another path, from here on: it is asked anew.
  void moved () { segments_ = Segments::Unknown; }
  // For tests: the kernel did segment.
  bool segments () const { return segments_ == Segments::Yes; }

private:
  enum class Segments
  {
    Unknown,
    Yes,
    No
  };
  // Thirteen packets: more hardly save anything, and the room for them stays.
  static constexpr std::size_t kFull = 16384;

  // As many of those from *first* on, which is at *offset*, as one message can
  // have: how many, and their bytes.
  std::size_t group (std::size_t first, std::size_t *bytes) const;
  std::size_t send_some (int fd, const sockaddr *to, socklen_t length,
      std::size_t first, std::size_t offset, std::size_t *bytes);

  std::vector<std::uint8_t> data_; // one behind another
  std::size_t end_ = 0;
  std::vector<std::size_t> sizes_;
  bool together_ = true;
  Segments segments_ = Segments::Unknown;
};

} // namespace robotlive
