// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What holds of the Hub whatever happens in which order: robots, second
// processes of them, pages, old ones of each, links that break with or without
// the server's knowledge, bookings that come, move and go, an administrator,
// restarts of the server. After each step:
//
// - a robot whose link is up serves exactly those who may watch it now;
// - nobody whom it serves lacks a booking, or is served beyond its end;
// - no session is over but by a word of those who may end it, or by its grant;
// - what the audit log says is over is not served any more;
// - a page whose link is up knows which of its sessions run.
//
// ROOM_SEED=N runs that one alone.
#include "hub-cast.hpp"
#include <cstdlib>
#include <sodium.h>

using namespace robotlive;
using namespace robotlive::server;

namespace {

constexpr int kSteps = 1500;
constexpr int kSeeds = 24;

// Ids of sessions are random; a seed that fails is to fail again.
std::mt19937 *ids;

void
fill (void *const buffer, const std::size_t size)
{
  auto *bytes = static_cast<unsigned char *> (buffer);
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<unsigned char> ((*ids) ());
}

class Life : public Cast
{
public:
  explicit Life (unsigned seed) : Cast (seed)
  {
    if (seed % 3 == 0)
      config_.grant_step_ms = 20000;
    config_.max_ended = 100000;
    start_server ();
    for (const char *robot : {"r1", "r2"})
      add_process (robot, Kind::Listing);
    for (int i = 0; i < 6; ++i) {
      Page page;
      page.user = "u" + std::to_string (i % 3);
      page.instance = i < 4 ? "page" + std::to_string (i) : "";
      page.names = i != 3;
      pages_.push_back (page);
    }
  }

  void step ()
  {
    words_.clear ();
    if (chance (8)) {
      store_.hold = true;
      act ();
      act ();
      store_.hold = false;
      store_.release ();
    } else {
      act ();
    }
    settle ();
    check ();
  }

  std::string last () const { return last_; }
  std::size_t offers () const { return offers_; }
  std::size_t ends () const { return ends_; }

private:
  // ---- what may happen

  void act ()
  {
    if (!store_.revoked.empty () && chance (10))
      store_.revoked.clear ();
    switch (below (20)) {
      case 0:
      case 1:
        return page_comes ();
      case 2:
      case 3:
      case 4:
        return page_offers ();
      case 5:
        return page_goes ();
      case 6:
        return page_leaves ();
      case 7:
      case 8:
        return robot_comes ();
      case 9:
        return robot_goes ();
      case 10:
        return robot_says_goodbye ();
      case 11:
        return robot_starts ();
      case 12:
      case 13:
        return books ();
      case 14:
        return moves_a_booking ();
      case 15:
        return cancels ();
      case 16:
        return administrates ();
      case 17:
        return robot_drops_a_peer ();
      case 18:
        return chance (3) ? restarts () : passes (1000 * below (20));
      default:
        return passes (below (chance (4) ? 60000 : 2000));
    }
  }

  void page_comes ()
  {
    Page *p = any (pages_, [] (const Page &q) { return !q.up (); });
    if (!p)
      return;
    last_ = "page comes " + p->user + " " + p->instance;
    // The server has not noticed that the old one is dead, or notices now.
    if (p->socket != 0 && chance (2))
      lose_page (*p);
    p->socket = next_socket_++;
    p->dead_link = false;
    std::string auth = "{\"token\":\"viewer:" + p->user + "\"}";
    hub_->connect (p->socket, {}, auth, store_.now);
    std::string more;
    if (!p->instance.empty ()) {
      more = ",\"instance\":\"" + p->instance + "\"";
      if (p->names) {
        more += ",\"peers\":[";
        for (const std::string &id : p->peers)
          more += (more.back () == '[' ? "\"" : ",\"") + id + "\"";
        more += "]";
      } else {
        p->peers.clear (); // it goes by what it is told
      }
    }
    send (p->socket, "register",
        R"({"userId":")" + p->user + R"(","userType":"viewer")" + more + "}");
  }

  void page_offers ()
  {
    Page *p = any (pages_, [] (const Page &q) { return q.up (); });
    if (!p)
      return;
    last_ = "page offers " + p->user + " " + p->instance;
    std::string more;
    if (!p->peers.empty () && chance (2))
      more = ",\"peerId\":\"" + *p->peers.begin () + "\"";
    std::string to = chance (4) ? "robot_pi" : chance (2) ? "r1" : "r2";
    send (p->socket, "offer",
        R"({"to":")" + to + R"(","offer":{"type":"offer","sdp":"v=0"})" + more +
            "}");
  }

  void page_goes ()
  {
    Page *p = any (pages_, [] (const Page &q) { return q.socket != 0; });
    if (!p)
      return;
    last_ = "page goes " + p->user + " " + p->instance;
    if (chance (2)) {
      p->dead_link = true;
    } else if (p->instance.empty () && chance (2)) {
      for (const std::string &id : p->peers)
        words_[id].insert ("viewer-left");
      SocketId socket = p->socket;
      p->socket = 0;
      hub_->disconnect (socket, "client namespace disconnect", store_.now);
    } else {
      lose_page (*p);
    }
    if (p->instance.empty () && p->socket == 0)
      p->peers.clear (); // an old one offers anew
  }

  void page_leaves ()
  {
    Page *p = any (
        pages_, [] (const Page &q) { return q.up () && !q.peers.empty (); });
    if (!p)
      return;
    last_ = "page leaves " + p->user;
    std::string id = *p->peers.begin ();
    words_[id].insert ("viewer-left");
    said_left_.insert (id);
    p->peers.erase (id);
    send (p->socket, "leave", R"({"to":"r1","peerId":")" + id + "\"}");
  }

  void robot_comes ()
  {
    Process *p = any (processes_, [] (const Process &q) { return !q.up (); });
    if (!p)
      return;
    last_ = "robot comes " + p->robot + " " + p->instance;
    if (p->socket != 0 && chance (2))
      lose_robot (*p);
    p->lost = p->lost || p->away_since != 0;
    p->socket = next_socket_++;
    p->dead_link = p->registered = false;
    p->unsaid.clear ();
    std::string auth = "{\"token\":\"robot:" + p->robot + "\"}";
    hub_->connect (p->socket, {}, auth, store_.now);
    std::string more;
    if (!p->instance.empty ())
      more = ",\"instance\":\"" + p->instance + "\"";
    if (p->kind == Kind::Listing) {
      more += ",\"peers\":[";
      for (const auto &[id, branch] : p->serves)
        more += std::string (more.back () == '[' ? "" : ",") +
                R"({"peerId":")" + id + R"(","offerId":")" + branch.offer +
                "\"}";
      more += "]";
    }
    std::set<std::string> &named = named_[p->instance];
    named.clear ();
    for (const auto &[id, branch] : p->serves)
      named.insert (id);
    send (p->socket, "register",
        R"({"userId":")" + p->robot + R"(","userType":"robot")" + more + "}");
  }

  void robot_goes ()
  {
    Process *p =
        any (processes_, [] (const Process &q) { return q.socket != 0; });
    if (!p)
      return;
    last_ = "robot goes " + p->robot + " " + p->instance;
    if (!p->dead_link)
      p->away_since = store_.now;
    if (chance (2))
      p->dead_link = true;
    else
      lose_robot (*p);
  }

  void robot_says_goodbye ()
  {
    Process *p = any (processes_, [] (const Process &q) { return q.up (); });
    if (!p || !chance (3))
      return;
    last_ = "robot says goodbye " + p->robot + " " + p->instance;
    for (const auto &[id, branch] : p->serves)
      words_[id].insert ("robot-offline");
    p->serves.clear ();
    SocketId socket = p->socket;
    p->socket = 0;
    p->registered = false;
    p->away_since = 0;
    hub_->disconnect (socket, "client namespace disconnect", store_.now);
    if (processes_.size () > 2) // and is gone
      processes_.erase (processes_.begin () + (p - processes_.data ()));
  }

  void robot_starts ()
  {
    if (processes_.size () >= 6 || !chance (3))
      return;
    Kind kind = chance (4)   ? Kind::Old
                : chance (6) ? Kind::Console
                             : Kind::Listing;
    add_process (chance (2) ? "r1" : "r2", kind);
    last_ = "robot starts " + processes_.back ().robot + " " +
            processes_.back ().instance;
  }

  void books ()
  {
    std::string user = "u" + std::to_string (below (3));
    if (store_.bookings[user].size () >= 3)
      return;
    Booking b;
    b.id = ++next_booking_;
    if (chance (4))
      b.robot_type = "pi";
    else
      b.robot_id = chance (2) ? "r1" : "r2";
    b.window.starts_at = store_.now + (chance (5) ? 5000 : -1000);
    b.window.ends_at = b.window.starts_at + 5000 + below (200000);
    last_ = "books " + user;
    store_.bookings[user].push_back (b);
    hub_->recheck (user, store_.now);
  }

  void moves_a_booking ()
  {
    std::string user = with_booking ();
    if (user.empty ())
      return;
    last_ = "moves a booking of " + user;
    auto &list = store_.bookings[user];
    Window &window = list[below (list.size ())].window;
    window.ends_at = std::max (store_.now + 1, window.starts_at + 1) +
                     static_cast<TimeMs> (below (120000));
    if (chance (6))
      window.starts_at = window.ends_at - 1;
    hub_->recheck (user, store_.now);
  }

  void cancels ()
  {
    std::string user = with_booking ();
    if (user.empty ())
      return;
    last_ = "cancels " + user;
    auto &list = store_.bookings[user];
    list.erase (list.begin () + below (list.size ()));
    hub_->recheck (user, store_.now);
  }

  void administrates ()
  {
    auto running = hub_->sessions ();
    if (!running.empty () && !chance (4)) {
      std::string id = running[below (running.size ())].peer_id;
      last_ = "an administrator ends " + id;
      ended_by_admin_.insert (id);
      EXPECT_TRUE (hub_->end_session (id, "revoked", store_.now));
      return;
    }
    std::string robot = chance (2) ? "r1" : "r2";
    last_ = "the token of a robot is revoked: " + robot;
    if (store_.revoked.count (robot) == 0 && !chance (3))
      return;
    if (!store_.revoked.insert (robot).second) {
      store_.revoked.erase (robot); // it has got a new one
      return;
    }
    for (const SessionEntry &e : running)
      if (e.robot_id == robot)
        ended_by_admin_.insert (e.peer_id);
    hub_->revoke_robot (robot, store_.now);
  }

  void robot_drops_a_peer ()
  {
    Process *p = any (processes_,
        [] (const Process &q) { return q.up () && !q.serves.empty (); });
    if (!p)
      return;
    last_ = "robot drops a peer " + p->robot;
    auto [id, branch] = *p->serves.begin ();
    drop (*p, id);
    say_leave (*p, id, branch.viewer);
  }

  void restarts ()
  {
    if (store_.hold)
      return;
    last_ = "the server restarts";
    settle ();
    check ();
    hub_.reset ();
    sockets_.sent.clear ();
    sockets_.acks.clear ();
    sockets_.disconnected.clear ();
    for (Process &p : processes_) {
      if (p.up ())
        p.away_since = store_.now;
      p.socket = 0;
      p.dead_link = p.registered = false;
      p.lost = true;
      p.unsaid.clear ();
    }
    for (Page &p : pages_) {
      p.socket = 0;
      p.dead_link = false;
      p.left_at = store_.now;
      if (p.instance.empty ())
        p.peers.clear ();
    }
    store_.now += below (8000);
    time_passes_for_robots ();
    if (chance (3)) // bookings change meanwhile
      for (auto &[user, list] : store_.bookings)
        if (!list.empty () && chance (2))
          list.pop_back ();
    std::vector<SessionEntry> running;
    for (const auto &[id, row] : store_.rows)
      if (row.ended_at == 0)
        running.push_back (row);
    start_server ();
    hub_->restore (running, store_.now);
    hub_->recheck_all (store_.now);
    EXPECT_EQ (
        hub_->sessions ().size () + store_.ended.size (), running.size ());
    ++restarts_;
  }

  void passes (TimeMs ms)
  {
    last_ = "time passes: " + std::to_string (ms);
    const TimeMs until = store_.now + ms;
    for (;;) {
      TimeMs next = std::min (hub_->next_deadline (), until);
      for (const Process &p : processes_)
        for (const auto &[id, branch] : p.serves)
          next = std::min (next, std::max (branch.end, store_.now));
      store_.now = std::max (next, store_.now);
      hub_->tick (store_.now);
      time_passes_for_robots ();
      settle ();
      if (store_.now >= until)
        break;
      if (hub_->next_deadline () <= store_.now)
        ++store_.now;
    }
    // The transport notices a dead link in the end.
    for (Process &p : processes_)
      if (p.socket != 0 && p.dead_link && store_.now - p.away_since > 45000)
        lose_robot (p);
    for (Page &p : pages_)
      if (p.socket != 0 && p.dead_link && chance (3))
        lose_page (p);
  }

  // A robot's own countdown.
  void time_passes_for_robots ()
  {
    for (Process &p : processes_)
      for (auto it = p.serves.begin (); it != p.serves.end ();) {
        if (it->second.end > store_.now) {
          ++it;
          continue;
        }
        const std::string id = it->first, viewer = it->second.viewer;
        it = p.serves.erase (it);
        words_[id].insert ("robot-left");
        stopped_.insert (id);
        if (chance (2))
          say_leave (p, id, viewer);
      }
  }

  // ---- what has to hold

  bool booked (const std::string &user, const std::string &robot)
  {
    return open_window (store_.bookings[user], robot, "pi", store_.now)
        .has_value ();
  }

  void check ()
  {
    check_rows ();
    std::map<std::string, std::set<std::string>> may; // by instance
    for (const SessionEntry &e : hub_->sessions ()) {
      if (!e.ending.empty ())
        continue;
      may[e.robot_id + "/" + e.robot_instance].insert (e.peer_id);
      EXPECT_TRUE (booked (e.viewer_id, e.robot_id))
          << e.peer_id << " of " << e.viewer_id << " at " << e.robot_id;
    }
    for (const Process &p : processes_) {
      // An old one that comes back is told of most of what it missed: as ever.
      if (!p.up () || (p.kind != Kind::Listing && p.lost))
        continue;
      std::set<std::string> serves;
      for (const auto &[id, branch] : p.serves) {
        serves.insert (id);
        EXPECT_TRUE (booked (branch.viewer, p.robot))
            << p.robot << " " << p.instance << " serves " << branch.viewer;
        auto window = open_window (
            store_.bookings[branch.viewer], p.robot, "pi", store_.now);
        EXPECT_TRUE (!window || branch.end <= window->ends_at) << id;
      }
      EXPECT_EQ (serves, may[p.robot + "/" + p.instance])
          << p.robot << " " << p.instance << " kind "
          << static_cast<int> (p.kind);
    }
    for (const Page &p : pages_) {
      if (!p.up () || p.instance.empty ())
        continue;
      std::set<std::string> runs;
      for (const SessionEntry &e : hub_->sessions ())
        if (e.ending.empty () && e.viewer_id == p.user &&
            e.viewer_instance == p.instance)
          runs.insert (e.peer_id);
      // It has not heard of one whose offer's answer was lost with its link.
      for (const std::string &id : p.peers)
        EXPECT_EQ (runs.count (id), 1u) << id << " " << p.instance;
    }
  }

  void check_rows ()
  {
    for (const SessionEntry &row : store_.ended) {
      ++ends_;
      const std::string &id = row.peer_id;
      const std::string what = id + " " + row.reason;
      EXPECT_LE (row.ended_at, store_.now) << what;
      EXPECT_GE (row.ended_at, row.started_at) << what;
      auto word = [&] (const char *reason) {
        return words_[id].count (reason) > 0;
      };
      const bool by_grant = row.ended_at == row.granted_until;
      // By what the robot said or did last.
      const bool not_served =
          stopped_.count (id) > 0 || named_[row.robot_instance].count (id) == 0;
      if (row.reason == "revoked")
        EXPECT_TRUE (
            ended_by_admin_.count (id) > 0 || store_.unbooked.count (id) > 0)
            << what;
      else if (row.reason == "expired")
        EXPECT_TRUE (by_grant || old (row) || not_served) << what;
      else if (row.reason == "viewer-left")
        EXPECT_TRUE (said_left_.count (id) > 0 || row.viewer_instance.empty ())
            << what;
      else if (row.reason == "robot-left")
        EXPECT_TRUE (word ("robot-left") || not_served) << what;
      else if (row.reason == "robot-offline")
        EXPECT_TRUE (word ("robot-offline") || old (row)) << what;
      else if (row.reason == "replaced")
        EXPECT_TRUE (old (row)) << what;
      else if (row.reason == "robot-restarted")
        EXPECT_TRUE (another (row)) << what;
      else
        ADD_FAILURE () << what;
      // The log says that it is over: then it is.
      for (const Process &p : processes_)
        EXPECT_FALSE (
            p.robot == row.robot_id && p.instance == row.robot_instance &&
            p.kind == Kind::Listing && row.reason != "viewer-left" &&
            row.reason != "robot-restarted" && p.serves.count (id) > 0)
            << what;
    }
    store_.ended.clear ();
  }

  bool old (const SessionEntry &row) const
  {
    for (const Process &p : processes_)
      if (p.robot == row.robot_id && p.instance == row.robot_instance)
        return p.kind != Kind::Listing;
    return true; // gone since
  }

  bool another (const SessionEntry &row) const
  {
    auto all = instances_.find (row.robot_id);
    return all != instances_.end () && all->second.size () > 1;
  }
};

TEST (HubProperty, NobodyWatchesWithoutARightAndNoRightIsLostWithoutAWord)
{
  unsigned first = 1, last = kSeeds;
  if (const char *one = std::getenv ("ROOM_SEED"))
    first = last = static_cast<unsigned> (std::atoi (one));
  std::size_t offers = 0, ends = 0;
  randombytes_implementation seeded = randombytes_sysrandom_implementation;
  seeded.buf = fill;
  ASSERT_EQ (randombytes_set_implementation (&seeded), 0);
  for (unsigned seed = first; seed <= last; ++seed) {
    SCOPED_TRACE ("ROOM_SEED=" + std::to_string (seed));
    std::mt19937 generator (seed);
    ids = &generator;
    Life life (seed);
    for (int i = 0; i < kSteps; ++i) {
      life.step ();
      if (HasFailure ()) {
        ADD_FAILURE () << "step " << i << ": " << life.last ();
        break;
      }
    }
    offers += life.offers ();
    ends += life.ends ();
    if (HasFailure ())
      break;
  }
  randombytes_set_implementation (&randombytes_sysrandom_implementation);
  // It would be easy to hold all that if nothing happened.
  EXPECT_GT (offers, 20u * (last - first + 1));
  EXPECT_GT (ends, 10u * (last - first + 1));
}

} // namespace
