// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   impair QUEUE LOSS-PERCENT DELAY-MS JITTER-MS
//
// A bad link: takes packets from an NFQUEUE and lets them on after the delay
// plus a random part of the jitter, in their order, or not at all. The same
// seed each time. Needs CAP_NET_ADMIN. Prints "ready"; ends with stdin.
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <linux/netfilter.h>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>

extern "C" {
#include <libnetfilter_queue/libnetfilter_queue.h>
}

namespace {

using Clock = std::chrono::steady_clock;
using Ms = std::chrono::duration<double, std::milli>;

struct Waiting
{
  Clock::time_point due;
  std::uint32_t id;
};

struct Link
{
  double loss, delay, jitter;
  std::mt19937 random{1};
  std::uniform_real_distribution<double> share{0, 1};
  std::deque<Waiting> waiting;
  std::uint64_t passed = 0, dropped = 0;
};

int
take (nfq_q_handle *queue, nfgenmsg *, nfq_data *packet, void *data)
{
  auto *link = static_cast<Link *> (data);
  const std::uint32_t id = ntohl (nfq_get_msg_packet_hdr (packet)->packet_id);
  if (link->share (link->random) * 100 < link->loss) {
    ++link->dropped;
    return nfq_set_verdict (queue, id, NF_DROP, 0, nullptr);
  }
  ++link->passed;
  const Ms wait (link->delay + link->jitter * link->share (link->random));
  Clock::time_point due =
      Clock::now () + std::chrono::duration_cast<Clock::duration> (wait);
  if (!link->waiting.empty () && due < link->waiting.back ().due)
    due = link->waiting.back ().due; // a link does not reorder
  if (link->waiting.empty () && wait.count () <= 0)
    return nfq_set_verdict (queue, id, NF_ACCEPT, 0, nullptr);
  link->waiting.push_back ({due, id});
  return 0;
}

int
run (std::uint16_t number, Link &link)
{
  nfq_handle *handle = nfq_open ();
  nfq_q_handle *queue =
      handle ? nfq_create_queue (handle, number, take, &link) : nullptr;
  if (queue == nullptr || nfq_set_mode (queue, NFQNL_COPY_META, 0) < 0) {
    std::perror ("impair: NFQUEUE");
    return 1;
  }
  nfq_set_queue_maxlen (queue, 8192);
  std::puts ("ready");
  std::fflush (stdout);
  std::array<pollfd, 2> wanted = {
      pollfd{nfq_fd (handle), POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
  std::array<char, 65536> buffer = {};
  for (;;) {
    timespec wait = {1, 0};
    if (!link.waiting.empty ()) {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds> (
          link.waiting.front ().due - Clock::now ())
                            .count ();
      wait = {0, left < 0 ? 0 : left > 999999999 ? 999999999 : left};
    }
    if (ppoll (wanted.data (), wanted.size (), &wait, nullptr) < 0 &&
        errno != EINTR)
      return 1;
    if (wanted[1].revents != 0)
      break;
    if (wanted[0].revents != 0) {
      const ssize_t size =
          recv (wanted[0].fd, buffer.data (), buffer.size (), MSG_DONTWAIT);
      if (size > 0)
        nfq_handle_packet (handle, buffer.data (), static_cast<int> (size));
    }
    while (
        !link.waiting.empty () && link.waiting.front ().due <= Clock::now ()) {
      nfq_set_verdict (queue, link.waiting.front ().id, NF_ACCEPT, 0, nullptr);
      link.waiting.pop_front ();
    }
  }
  nfq_destroy_queue (queue);
  nfq_close (handle);
  std::printf ("passed %llu dropped %llu\n",
      static_cast<unsigned long long> (link.passed),
      static_cast<unsigned long long> (link.dropped));
  return 0;
}

} // namespace

int
main (int argc, char **argv)
{
  if (argc != 5) {
    std::fprintf (
        stderr, "usage: impair QUEUE LOSS-PERCENT DELAY-MS JITTER-MS\n");
    return 2;
  }
  Link link = {};
  link.loss = std::atof (argv[2]);
  link.delay = std::atof (argv[3]);
  link.jitter = std::atof (argv[4]);
  return run (static_cast<std::uint16_t> (std::atoi (argv[1])), link);
}
