#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A viewer in headless Chromium: logs in, books, watches until the end.

browser.py ADDRESS EMAIL PASSWORD-FILE -- BOOKING-COMMAND..."""
import subprocess
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

SLOW = 120  # s: the machine may be busy


def until(what, ask):
    end = time.monotonic() + SLOW
    while time.monotonic() < end:
        value = ask()
        if value:
            return value
        time.sleep(0.2)
    sys.exit(f"not within {SLOW} s: {what}")


address, email, password_file, dashes, *book = sys.argv[1:]
assert dashes == "--"
options = webdriver.ChromeOptions()
options.binary_location = "/usr/bin/chromium"
for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                 "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-dev-shm-usage"):
    options.add_argument(argument)
browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver"),
                           options=options)
try:
    def find(name):
        return browser.find_element(By.ID, name)

    def state():
        return browser.execute_script(
            "return document.getElementById('state').dataset.state")

    def frames():
        return browser.execute_script(
            "const v = document.getElementById('video');"
            "return [v.getVideoPlaybackQuality().totalVideoFrames,"
            " v.videoWidth, v.videoHeight]")

    browser.get(address)
    until("the form", lambda: find("email").is_displayed())
    find("email").send_keys(email)
    find("password").send_keys(open(password_file, encoding="utf-8").read()
                               .strip())
    find("login-button").click()
    until("the viewer", lambda: find("connect").is_displayed())
    # The booking begins when all is ready for it; the page shows it at once
    # when it is loaded anew.
    subprocess.run(book, check=True, stdout=subprocess.DEVNULL)
    browser.refresh()
    until("the robot in the list", lambda: "robot_1" in [
        option.get_attribute("value")
        for option in Select(find("robot")).options])
    Select(find("robot")).select_by_value("robot_1")
    find("connect").click()
    until("the picture", lambda: state() == "live")
    shown, width, height = until("frames", lambda: frames()[0] > 30
                                 and frames())
    print(f"{shown} frames of {width}x{height} shown")
    assert (width, height) == (1280, 720), (width, height)
    until("the end of the session", lambda: state() == "ended")
    print("ended:", find("notice").text)
    last = frames()[0]
    time.sleep(2)
    assert frames()[0] <= last, "frames after the end"
finally:
    browser.quit()
