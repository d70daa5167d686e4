// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   load HOST PORT plain|tls BYTES < PEERS
//
// The load of the signaling benchmark: one thread, as many Socket.IO
// connections (WebSocket) as PEERS has lines, so lean that a server on another
// core is what ends first. A line of PEERS is
//
//   robot ID TOKEN          registers as a robot
//   viewer ID TOKEN ROBOT   registers, and offers to that robot: a pair
//   viewer ID TOKEN         registers and stays idle
//
// and an empty line ends them. Then commands, one a line, each answered by one
// line of JSON:
//
//   connect N     opens the next N of the peers
//   closed S B    each robot sends its viewer B answers of BYTES in one go
//                 (default 1), the next ones when they have arrived, for S
//                 seconds
//   rate R S      R answers a second in all, spread over the pairs; latency
//                 counts from when each was due. The load never sleeps then:
//                 it would be late, and the server would pay for waking it,
//                 which no server does for clients on other machines
//   wait S        answers pings and does nothing else
#include "socket.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <vector>

namespace {

using robotlive::bench::Socket;

double
now ()
{
  timespec t = {};
  clock_gettime (CLOCK_MONOTONIC, &t);
  return static_cast<double> (t.tv_sec) + static_cast<double> (t.tv_nsec) / 1e9;
}

struct Peer
{
  std::string type, id, token, robot;
  std::unique_ptr<Socket> socket;
  Peer *viewer = nullptr;  // of a robot in a pair
  Peer *partner = nullptr; // of a viewer in a pair
  std::string answer;      // the frame that the robot sends
  std::string burst;       // as many of them as it sends in one go
  std::deque<double> sent; // when, or when it was due; oldest first
};

// An SDP in JSON's spelling that makes a message of about *bytes*.
std::string
sdp (std::size_t bytes)
{
  std::string text =
      "v=0\\r\\no=- 1 2 IN IP4 127.0.0.1\\r\\ns=-\\r\\nt=0 0\\r\\n";
  for (int i = 0; text.size () + 200 < bytes; ++i)
    text += "a=candidate:" + std::to_string (i) +
            " 1 udp 2122260223 192.0.2.1 50000 typ host generation 0\\r\\n";
  return text;
}

class Load
{
public:
  Load (std::string host, int port, bool tls, std::size_t bytes)
      : host_ (std::move (host)), port_ (port), tls_ (tls), sdp_ (sdp (bytes)),
        epoll_ (epoll_create1 (EPOLL_CLOEXEC))
  {
  }

  void add (const std::string &line)
  {
    peers_.push_back (std::make_unique<Peer> ());
    Peer &peer = *peers_.back ();
    std::istringstream (line) >> peer.type >> peer.id >> peer.token >>
        peer.robot;
    by_id_[peer.id] = &peer;
  }

  std::string connect (std::size_t count)
  {
    double begun = now ();
    for (std::size_t n = 0; n < count && opened_ < peers_.size (); ++n) {
      open (*peers_[opened_++]);
      if (n % 64 == 63)
        run_until (now ()); // pings of those who wait
    }
    return "{\"sockets\":" + std::to_string (opened_) +
           ",\"pairs\":" + std::to_string (pairs_.size ()) +
           ",\"seconds\":" + std::to_string (now () - begun) + "}";
  }

  std::string closed (double seconds, std::size_t burst)
  {
    begin (burst);
    double begun = now ();
    for (Peer *robot : pairs_)
      send (*robot, begun);
    run_until (begun + seconds);
    return finish (now () - begun);
  }

  std::string rate (double per_second, double seconds)
  {
    begin (1);
    loop_ = false;
    polls_ = true;
    double begun = now ();
    std::size_t wanted = static_cast<std::size_t> (per_second * seconds);
    for (std::size_t n = 0; n < wanted;) {
      double due = begun + static_cast<double> (n) / per_second;
      if (due > now ()) {
        run_until (due);
        continue;
      }
      send (*pairs_[n % pairs_.size ()], due);
      ++n;
    }
    return finish (now () - begun);
  }

  std::string wait (double seconds)
  {
    run_until (now () + seconds);
    return "{}";
  }

private:
  void open (Peer &peer)
  {
    peer.socket = std::make_unique<Socket> (host_, port_, tls_);
    Socket &socket = *peer.socket;
    socket.open (peer.token);
    socket.send_text ("42[\"register\",{\"userId\":\"" + peer.id +
                      "\",\"userType\":\"" + peer.type + "\"}]");
    if (socket.await ("42[\"registered\"").find ("\"success\":true") ==
        std::string::npos)
      throw std::runtime_error (peer.id + " was not registered");
    if (!peer.robot.empty ()) {
      Peer &robot = *by_id_.at (peer.robot);
      socket.send_text ("42[\"offer\",{\"to\":\"" + peer.robot +
                        "\",\"offer\":{\"type\":\"offer\",\"sdp\":\"" + sdp_ +
                        "\"}}]");
      std::string offer = robot.socket->await ("42[\"offer\"");
      // The official server's plain console has no such id.
      const std::string key = "\"peerId\":\"";
      std::size_t at = offer.find (key);
      std::string peer_id;
      if (at != std::string::npos) {
        at += key.size ();
        peer_id = key + offer.substr (at, offer.find ('"', at) - at) + "\",";
      }
      robot.answer = Socket::frame ("42[\"answer\",{\"to\":\"" + peer.id +
                                    "\"," + peer_id +
                                    "\"answer\":{\"type\":\"answer\",\"sdp\":"
                                    "\"" +
                                    sdp_ + "\"}}]");
      robot.viewer = &peer;
      peer.partner = &robot;
      pairs_.push_back (&robot);
      watch (robot);
    }
    if (peer.type == "viewer")
      watch (peer);
  }

  void watch (Peer &peer)
  {
    peer.socket->set_nonblocking ();
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = &peer;
    if (epoll_ctl (epoll_, EPOLL_CTL_ADD, peer.socket->fd (), &event) != 0)
      throw std::runtime_error ("epoll_ctl");
    receive (peer); // what came with the last answer
  }

  void send (Peer &robot, double at)
  {
    robot.sent.insert (robot.sent.end (), burst_, at);
    robot.socket->write (robot.burst);
  }

  void receive (Peer &peer)
  {
    peer.socket->receive ([&] (std::string_view text) {
      if (text == "2")
        peer.socket->send_text ("3");
      else if (text.substr (0, 11) == "42[\"answer\"")
        arrived (peer);
    });
  }

  void arrived (Peer &viewer)
  {
    Peer &robot = *viewer.partner;
    if (robot.sent.empty ())
      return;
    double at = now ();
    latencies_.push_back (static_cast<float> (at - robot.sent.front ()));
    robot.sent.pop_front ();
    if (loop_ && robot.sent.empty ())
      send (robot, at);
  }

  // At least one round of what is ready.
  void run_until (double end)
  {
    epoll_event events[256];
    do {
      double left = polls_ ? 0 : end - now ();
      timespec timeout = {};
      if (left > 0) {
        timeout.tv_sec = static_cast<time_t> (left);
        timeout.tv_nsec = static_cast<long> ((left - std::floor (left)) * 1e9);
      }
      int n = epoll_pwait2 (epoll_, events, 256, &timeout, nullptr);
      for (int i = 0; i < n; ++i)
        receive (*static_cast<Peer *> (events[i].data.ptr));
    } while (now () < end);
  }

  void begin (std::size_t burst)
  {
    if (pairs_.empty ())
      throw std::runtime_error ("there are no pairs");
    latencies_.clear ();
    loop_ = true;
    burst_ = burst;
    for (Peer *robot : pairs_) {
      robot->burst.clear ();
      for (std::size_t n = 0; n < burst; ++n)
        robot->burst += robot->answer;
    }
  }

  std::string finish (double seconds)
  {
    std::size_t during = latencies_.size ();
    loop_ = polls_ = false;
    auto waiting = [this] {
      std::size_t left = 0;
      for (const Peer *robot : pairs_)
        left += robot->sent.size ();
      return left;
    };
    double patience = now () + 10;
    while (waiting () > 0 && now () < patience)
      run_until (now () + 0.05);
    std::size_t lost = waiting ();
    for (Peer *robot : pairs_)
      robot->sent.clear ();
    std::sort (latencies_.begin (), latencies_.end ());
    auto at = [this] (double part) {
      std::size_t n = latencies_.size ();
      return n == 0 ? 0.0
                    : 1e3 * static_cast<double> (latencies_[std::min (
                                n - 1, static_cast<std::size_t> (
                                           part * static_cast<double> (n)))]);
    };
    std::ostringstream json;
    json << "{\"messages\":" << during << ",\"lost\":" << lost
         << ",\"perSecond\":" << static_cast<double> (during) / seconds
         << ",\"p50Ms\":" << at (0.5) << ",\"p99Ms\":" << at (0.99)
         << ",\"maxMs\":" << at (1) << "}";
    return json.str ();
  }

  std::string host_;
  int port_;
  bool tls_;
  std::string sdp_;
  int epoll_;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::map<std::string, Peer *> by_id_;
  std::size_t opened_ = 0;
  std::vector<Peer *> pairs_; // their robots
  std::vector<float> latencies_;
  bool loop_ = false;
  bool polls_ = false;
  std::size_t burst_ = 1;
};

std::string
obey (Load &load, const std::string &line)
{
  std::istringstream words (line);
  std::string command;
  double a = 0, b = 0;
  words >> command >> a >> b;
  if (command == "connect")
    return load.connect (static_cast<std::size_t> (a));
  if (command == "closed")
    return load.closed (a, b < 1 ? 1 : static_cast<std::size_t> (b));
  if (command == "rate")
    return load.rate (a, b);
  if (command == "wait")
    return load.wait (a);
  throw std::runtime_error ("\"" + line + "\" is no command");
}

} // namespace

int
main (int argc, char **argv)
{
  if (argc != 5) {
    std::fputs ("usage: load HOST PORT plain|tls BYTES < PEERS\n", stderr);
    return 2;
  }
  try {
    std::signal (SIGPIPE, SIG_IGN);
    rlimit limit = {};
    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
    Load load (argv[1], std::stoi (argv[2]), std::string (argv[3]) == "tls",
        std::stoul (argv[4]));
    std::string line;
    while (std::getline (std::cin, line) && !line.empty ())
      load.add (line);
    while (std::getline (std::cin, line))
      std::cout << obey (load, line) << std::endl;
    return 0;
  } catch (const std::exception &error) {
    std::cerr << "load: " << error.what () << std::endl;
    return 1;
  }
}
