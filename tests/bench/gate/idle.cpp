// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What an encoder costs behind a shut gate: CPU time of this process for a
// second of 1280x720 at 30 pictures/s, of the source alone, of source and
// encoder, and with a gate between them that is open, or shut. In turns, in the
// same process. Prints JSON: {"unit":"ms of CPU a second","seconds":S,
// "rounds":R,"results":[{"name","median","min","max"}]}. Exits with 1 when the
// shut gate leaves a twentieth of the encoder's work or more.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <gst/gst.h>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace {

double
cpu_ms ()
{
  struct rusage usage = {};
  getrusage (RUSAGE_SELF, &usage);
  const auto ms = [] (const struct timeval &time) {
    return time.tv_sec * 1e3 + time.tv_usec / 1e3;
  };
  return ms (usage.ru_utime) + ms (usage.ru_stime);
}

// CPU time of *seconds* of a running pipeline; below 0 when it does not run.
double
measure (const std::string &between, unsigned seconds)
{
  const std::string line =
      "videotestsrc is-live=true pattern=black ! video/x-raw,format=I420,"
      "width=1280,height=720,framerate=30/1 ! " +
      between + "fakesink async=false sync=false";
  GError *error = nullptr;
  GstElement *pipeline = gst_parse_launch (line.c_str (), &error);
  if (error) {
    std::fprintf (stderr, "%s\n", error->message);
    g_clear_error (&error);
    return -1;
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_usleep (500000); // until everything is there
  const double before = cpu_ms ();
  g_usleep (seconds * G_USEC_PER_SEC);
  const double spent = cpu_ms () - before;
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return spent / seconds;
}

double
median (std::vector<double> values)
{
  std::sort (values.begin (), values.end ());
  return values[values.size () / 2];
}

} // namespace

int
main (int argc, char **argv)
{
  gst_init (nullptr, nullptr);
  const unsigned seconds = argc > 1 ? std::atoi (argv[1]) : 5;
  const unsigned rounds = argc > 2 ? std::atoi (argv[2]) : 5;
  const std::string encoder =
      "x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 ! ";
  struct Candidate
  {
    const char *name;
    std::string between;
    std::vector<double> rounds = {};
  };
  std::vector<Candidate> candidates = {
      {"source alone", ""},
      {"source and encoder", encoder},
      {"gate open, encoder",
          "sessiongate expires-at=2099-01-01T00:00:00Z ! " + encoder},
      {"gate shut, encoder", "sessiongate ! " + encoder},
  };
  for (unsigned round = 0; round < rounds; ++round)
    for (Candidate &candidate : candidates) {
      const double cost = measure (candidate.between, seconds);
      if (cost < 0)
        return 2;
      candidate.rounds.push_back (cost);
    }
  std::printf ("{\"unit\":\"ms of CPU a second\",\"seconds\":%u,\"rounds\":%u,"
               "\"results\":[",
      seconds, rounds);
  for (const Candidate &candidate : candidates) {
    const auto range = std::minmax_element (
        candidate.rounds.begin (), candidate.rounds.end ());
    std::printf ("%s{\"name\":\"%s\",\"median\":%.1f,\"min\":%.1f,"
                 "\"max\":%.1f}",
        &candidate == candidates.data () ? "" : ",", candidate.name,
        median (candidate.rounds), *range.first, *range.second);
  }
  std::printf ("]}\n");
  const double source = median (candidates[0].rounds);
  const double encoding = median (candidates[1].rounds) - source;
  const double shut = median (candidates[3].rounds) - source;
  return shut < encoding / 20 ? 0 : 1;
}
