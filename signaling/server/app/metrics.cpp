// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/app/metrics.hpp"
#include "server/app/times.hpp"
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sstream>

namespace robotlive::server {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Families
{
public:
  // A metric without labels.
  void add (MetricType type, const char *name, const char *help, double value)
  {
    family (type, name, help);
    sample ("", "", value);
  }

  void family (MetricType type, const char *name, const char *help)
  {
    MetricFamily f;
    f.name = std::string ("robotlive_") + name;
    f.help = help;
    f.type = type;
    list_.push_back (std::move (f));
  }

  // Of the family that was begun last.
  void sample (const char *label, const std::string &label_value, double value)
  {
    ClientMetric m;
    if (*label)
      m.label.push_back ({label, label_value});
    if (list_.back ().type == MetricType::Counter)
      m.counter.value = value;
    else
      m.gauge.value = value;
    list_.back ().metric.push_back (std::move (m));
  }

  std::string text () const
  {
    std::ostringstream out;
    prometheus::TextSerializer ().Serialize (out, list_);
    return out.str ();
  }

private:
  std::vector<MetricFamily> list_;
};

} // namespace

Metrics::Metrics (const NetworkServer *network, const Hub *hub,
    std::function<bool ()> store_healthy)
    : network_ (network), hub_ (hub), store_healthy_ (std::move (store_healthy))
{
}

std::string
Metrics::text () const
{
  const auto counter = MetricType::Counter;
  const auto gauge = MetricType::Gauge;
  Families f;
  const HubCounters &r = hub_->counters ();
  f.add (gauge, "robots_online", "Robots that are registered.",
      static_cast<double> (hub_->online_robots ().size ()));
  f.add (gauge, "peers_registered", "Robots and viewers that registered.",
      static_cast<double> (hub_->registered ()));
  f.add (gauge, "sessions", "Viewers that may watch a robot now.",
      static_cast<double> (hub_->sessions ().size ()));
  f.add (
      gauge, "rooms", "Presence rooms.", static_cast<double> (hub_->rooms ()));
  f.add (gauge, "store_up", "1 if the booking store answers.",
      store_healthy_ () ? 1 : 0);
  f.add (counter, "offers_admitted_total", "Offers that went to a robot.",
      static_cast<double> (r.offers_admitted));
  f.add (counter, "messages_relayed_total",
      "Answers, candidates and leaves relayed.",
      static_cast<double> (r.relayed));
  f.family (counter, "refusals_total", "Messages refused, by error code.");
  for (const auto &[code, n] : r.refusals)
    f.sample ("code", code, static_cast<double> (n));
  f.family (counter, "sessions_ended_total", "Sessions ended, by reason.");
  for (const auto &[reason, n] : r.ended)
    f.sample ("reason", reason, static_cast<double> (n));
  if (!network_)
    return f.text ();
  const Counters &c = network_->counters ();
  struct
  {
    MetricType type;
    const char *name;
    const char *help;
    std::uint64_t value;
  } const network[] = {
      {gauge, "connections", "TCP connections.", c.connections_now},
      {counter, "connections_total", "TCP connections accepted.",
          c.connections_total},
      {counter, "connections_refused_total",
          "TCP connections refused by a limit.", c.connections_refused},
      {counter, "tls_failures_total", "TLS handshakes that failed.",
          c.tls_failures},
      {counter, "http_requests_total", "HTTP requests.", c.http_requests},
      {counter, "http_refused_total",
          "HTTP requests malformed, too large, too many or too slow.",
          c.http_refused},
      {gauge, "engineio_sessions", "Engine.IO sessions.", c.sessions_now},
      {gauge, "engineio_sessions_polling",
          "Engine.IO sessions over long-polling.", c.sessions_polling_now},
      {counter, "engineio_upgrades_total",
          "Sessions upgraded from long-polling to WebSocket.", c.upgrades},
      {gauge, "sockets", "Socket.IO connections.", c.sockets_now},
      {counter, "messages_received_total", "Engine.IO messages received.",
          c.messages_in},
      {counter, "messages_sent_total", "Engine.IO messages sent.",
          c.messages_out},
      {counter, "received_bytes_total", "Bytes received, before TLS.",
          c.bytes_in},
      {counter, "sent_bytes_total", "Bytes sent, before TLS.", c.bytes_out},
      {counter, "protocol_errors_total", "Connections ended by bad input.",
          c.protocol_errors},
      {counter, "ping_timeouts_total", "Connections that fell silent.",
          c.ping_timeouts},
      {counter, "slow_readers_total", "Connections cut for not reading.",
          c.slow_readers},
      {counter, "rate_limited_total", "Connections and requests over a rate.",
          c.rate_limited},
      {counter, "origins_refused_total", "Requests of a refused Origin.",
          c.origins_refused},
  };
  for (const auto &m : network)
    f.add (m.type, m.name, m.help, static_cast<double> (m.value));
  return f.text ();
}

} // namespace robotlive::server
