// SPDX-License-Identifier: LGPL-2.1-or-later
//
// robotlive-run-pipeline: robot.conf in, gst-launch-1.0 out.
#include "backoff.hpp"
#include "config.h"
#include "launch.hpp"
#include "probe.hpp"
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <gst/gst.h>
#include <memory>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

using namespace robotlive::robot;

namespace {

struct Arguments
{
  gchar *config = nullptr;
  gchar *pipelines = nullptr;
  gchar *source = nullptr;
  gboolean dry_run = FALSE;
  gboolean list = FALSE;
  gboolean check = FALSE;
  gboolean version = FALSE;
  ~Arguments ()
  {
    g_free (config);
    g_free (pipelines);
    g_free (source);
  }
};

bool
parse (int *argc, char ***argv, Arguments &args)
{
  const GOptionEntry entries[] = {
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &args.config,
          "Read FILE instead of /etc/robotlive/robot.conf", "FILE"},
      {"pipelines", 0, 0, G_OPTION_ARG_FILENAME, &args.pipelines,
          "Take the .launch files from DIR", "DIR"},
      {"source", 's', 0, G_OPTION_ARG_STRING, &args.source,
          "Run NAME instead of the configured source", "NAME"},
      {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &args.dry_run,
          "Print the gst-launch-1.0 line and do not run it", nullptr},
      {"list", 'l', 0, G_OPTION_ARG_NONE, &args.list,
          "Try every camera and encoder, and tell what sources there are",
          nullptr},
      {"check", 0, 0, G_OPTION_ARG_NONE, &args.check,
          "Check the configuration and exit", nullptr},
      {"version", 0, 0, G_OPTION_ARG_NONE, &args.version, "Print the version",
          nullptr},
      {nullptr, 0, 0, G_OPTION_ARG_NONE, nullptr, nullptr, nullptr},
  };
  GOptionContext *context =
      g_option_context_new ("- run the robot's camera pipeline");
  g_option_context_add_main_entries (context, entries, nullptr);
  GError *error = nullptr;
  bool ok = g_option_context_parse (context, argc, argv, &error);
  if (ok && *argc > 1) {
    fprintf (stderr, "robotlive-run-pipeline: unexpected argument '%s'\n",
        (*argv)[1]);
    ok = false;
  } else if (!ok) {
    fprintf (stderr, "robotlive-run-pipeline: %s\n", error->message);
    g_error_free (error);
  }
  g_option_context_free (context);
  return ok;
}

// "file:line: what", as compilers do, so that editors jump there.
void
print_problems (const std::string &path, const std::vector<Problem> &problems)
{
  for (const Problem &problem : problems) {
    if (problem.line)
      fprintf (stderr, "%s:%u: %s\n", path.c_str (), problem.line,
          problem.text.c_str ());
    else
      fprintf (stderr, "%s: %s\n", path.c_str (), problem.text.c_str ());
  }
}

void
print_trials (FILE *to, const char *title, const std::vector<Trial> &trials,
    const std::string &name, const std::string &device)
{
  fprintf (to, "%s\n", title);
  for (const Trial &trial : trials) {
    bool taken = trial.name == name &&
                 (device.empty () || trial.device == device) &&
                 trial.verdict == Verdict::Works;
    fprintf (to, "%s %-13s %-15s %s%s%s%s\n", taken ? "*" : " ",
        trial.name.c_str (), verdict_name (trial.verdict),
        trial.label == trial.name ? "" : trial.label.c_str (),
        trial.device.empty () ? "" : (" " + trial.device).c_str (),
        trial.reason.empty () ? "" : ": ", trial.reason.c_str ());
  }
  if (trials.empty ())
    fprintf (to, "  none\n");
}

int
unavailable (const Findings &findings, const char *what)
{
  fprintf (stderr, "robotlive-run-pipeline: no %s works\n", what);
  print_trials (stderr, "cameras:", findings.cameras, "", "");
  if (strcmp (what, "encoder") == 0)
    print_trials (stderr, "encoders:", findings.encoders, "", "");
  return EX_UNAVAILABLE;
}

// systemd's, with RuntimeDirectoryPreserve=restart; "" else: then nobody starts
// us again, and nothing is kept.
std::string
backoff_file ()
{
  const char *folder = g_getenv ("RUNTIME_DIRECTORY");
  return folder ? std::string (folder) + "/backoff" : "";
}

void
wait_as_told ()
{
  if (backoff_file ().empty ())
    return;
  timespec now = {};
  clock_gettime (CLOCK_BOOTTIME, &now);
  unsigned delay = next_delay_file (backoff_file (), now.tv_sec);
  if (delay)
    fprintf (stderr, "starting again in %u s\n", delay);
  while (delay)
    delay = sleep (delay);
}

void
replace_by (std::vector<char *> argv)
{
  execvp (argv[0], argv.data ());
  fprintf (stderr,
      "robotlive-run-pipeline: cannot run gst-launch-1.0 (package "
      "gstreamer1.0-tools): %s\n",
      strerror (errno));
}

pid_t child;

void
pass_on (int signal)
{
  kill (child, signal);
}

// Waits for the end of the pipeline to see whether it was a good one, and ends
// as it did.
int
watch (const std::vector<char *> &argv)
{
  sigset_t ends, before;
  sigemptyset (&ends);
  for (const int one : {SIGTERM, SIGINT, SIGHUP})
    sigaddset (&ends, one);
  sigprocmask (SIG_BLOCK, &ends, &before);
  const pid_t parent = getpid ();
  child = fork ();
  if (child < 0) {
    sigprocmask (SIG_SETMASK, &before, nullptr);
    replace_by (argv);
    return EX_OSERR;
  }
  if (child == 0) {
    // It does not outlive us, whatever ends us.
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    if (getppid () != parent)
      _exit (EX_OSERR);
    sigprocmask (SIG_SETMASK, &before, nullptr);
    replace_by (argv);
    _exit (EX_OSFILE);
  }
  struct sigaction action = {};
  action.sa_handler = pass_on;
  for (const int one : {SIGTERM, SIGINT, SIGHUP})
    sigaction (one, &action, nullptr);
  sigprocmask (SIG_SETMASK, &before, nullptr);
  int status = 0;
  while (waitpid (child, &status, 0) < 0)
    if (errno != EINTR)
      return EX_OSERR;
  if (WIFSIGNALED (status)) {
    // systemd tells an end by signal from one with a status.
    signal (WTERMSIG (status), SIG_DFL);
    raise (WTERMSIG (status));
    return 128 + WTERMSIG (status);
  }
  if (WEXITSTATUS (status) == 0)
    ended_well (backoff_file ());
  return WEXITSTATUS (status);
}

int
run (const std::vector<std::string> &pipeline)
{
  fprintf (
      stderr, "running gst-launch-1.0 %s\n", shell_line (pipeline).c_str ());
  std::vector<std::string> arguments = {"gst-launch-1.0"};
  arguments.insert (arguments.end (), pipeline.begin (), pipeline.end ());
  std::vector<char *> argv;
  for (std::string &argument : arguments)
    argv.push_back (argument.data ());
  argv.push_back (nullptr);
  if (!backoff_file ().empty ())
    return watch (argv);
  replace_by (argv);
  return EX_OSFILE;
}

std::string
joined (const std::vector<std::string> &words)
{
  std::string list;
  for (const std::string &word : words)
    list += (list.empty () ? "" : ", ") + word;
  return list;
}

// A folder without pipelines, a source that is none: what there is.
bool
source_exists (const RobotConf &conf, const std::string &folder)
{
  const std::string &source = conf.get ("camera.source");
  const auto names = source_names (folder);
  if (names.empty ())
    fprintf (stderr,
        "robotlive-run-pipeline: there are no pipelines (*.launch) in %s\n",
        folder.c_str ());
  else if (source != "auto" && !g_str_has_suffix (source.c_str (), ".launch") &&
           std::find (names.begin (), names.end (), source) == names.end ())
    fprintf (stderr,
        "robotlive-run-pipeline: there is no source '%s'; there are auto, %s, "
        "and the path of a .launch file of your own\n",
        source.c_str (), joined (names).c_str ());
  else
    return true;
  return false;
}

int
check (
    const std::string &path, const RobotConf &conf, const ProbeOptions &options)
{
  // Composing names whatever is missing; camera and encoder are not needed.
  Choice choice = {conf.get ("camera.source"), "x264enc", ""};
  if (choice.source == "auto")
    choice.source = "test-pattern";
  ComposeOptions compose_options;
  compose_options.folder = options.folder;
  compose (conf, choice, compose_options);
  printf ("%s: ok\n", path.c_str ());
  return EX_OK;
}

int
work (const Arguments &args)
{
  std::string path = args.config ? args.config : "/etc/robotlive/robot.conf";
  std::vector<Problem> problems;
  RobotConf conf = RobotConf::load (path, problems);
  if (!problems.empty ()) {
    print_problems (path, problems);
    return EX_CONFIG;
  }
  if (args.source)
    conf.set ("camera.source", args.source);
  ProbeOptions options;
  options.folder = args.pipelines ? args.pipelines : PIPELINES_DIR;

  if (!source_exists (conf, options.folder))
    return EX_CONFIG;
  if (args.check)
    return check (path, conf, options);
  Findings findings;
  if (args.list) {
    Choice choice = choose (conf, options, find_cameras (conf), true, findings);
    print_trials (stdout,
        "cameras (* = the one that would be taken):", findings.cameras,
        choice.source, choice.device);
    print_trials (stdout, "encoders:", findings.encoders, choice.encoder, "");
    printf ("sources (--source): auto, %s\n",
        joined (source_names (options.folder)).c_str ());
    return EX_OK;
  }
  if (!args.dry_run)
    wait_as_told ();
  std::vector<Candidate> cameras;
  if (conf.get ("camera.source") == "auto")
    cameras = find_cameras (conf);
  Choice choice = choose (conf, options, cameras, false, findings);
  if (choice.source.empty ())
    return unavailable (findings, "camera");
  if (choice.encoder.empty () && needs_encoder (options.folder, choice.source))
    return unavailable (findings, "encoder");
  ComposeOptions compose_options;
  compose_options.folder = options.folder;
  std::vector<std::string> pipeline = compose (conf, choice, compose_options);
  if (args.dry_run) {
    printf ("gst-launch-1.0 %s\n", shell_line (pipeline).c_str ());
    return EX_OK;
  }
  return run (pipeline);
}

} // namespace

int
main (int argc, char **argv)
{
  Arguments args;
  if (!parse (&argc, &argv, args))
    return EX_USAGE;
  if (args.version) {
    puts ("robotlive-run-pipeline " VERSION);
    return EX_OK;
  }
  // What follows is read by people and journal alike, line by line.
  setvbuf (stderr, nullptr, _IOLBF, BUFSIZ);
  gst_init (nullptr, nullptr);
  try {
    return work (args);
  } catch (const std::runtime_error &error) {
    fprintf (stderr, "robotlive-run-pipeline: %s\n", error.what ());
    return EX_CONFIG;
  }
}
