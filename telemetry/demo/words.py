"""What people of the demo ask, what their tools work on and what comes back: invented text."""

TASKS = {
    "timetable-api": (
        ("Winter timetable endpoint", "Add the winter timetable to the departures endpoint"),
        ("Late departures in the feed", "The feed drops sailings after midnight, find out why"),
        ("Cache the pier list", "Cache the list of piers for five minutes"),
        ("Timetable diff for planners", "Show planners what changed between two timetables"),
    ),
    "pier-signs": (
        ("Sign brightness by daylight", "Dim the signs after sunset, there is a sensor already"),
        ("Scroll long pier names", "Names longer than 18 letters have to scroll"),
        (
            "Retry when a sign is offline",
            "Signs lose the radio link sometimes, retry with back-off",
        ),
    ),
    "ticket-kiosk": (
        ("Group tickets at the kiosk", "Let people buy up to nine tickets at once"),
        ("Receipt printer timeout", "The receipt printer times out, make the kiosk go on"),
        ("Large print mode", "Add a large print mode to the kiosk screens"),
        ("Refund button is too easy", "Ask before a refund, people press it by accident"),
    ),
    "crew-roster": (
        ("Rest hours between shifts", "Warn when somebody has less than eleven hours of rest"),
        ("Roster export for payroll", "Export the month's roster as CSV for payroll"),
        ("Swap shifts by message", "Let two people swap shifts when both agree"),
    ),
    "dock-sensors": (
        ("Smooth the water level", "Water level jumps around, smooth it over a minute"),
        ("Sensor replay tool", "Write a small tool that replays a day of sensor data"),
        ("Alarm when a gauge is silent", "Raise an alarm when a gauge is silent for ten minutes"),
    ),
    "fare-model": (
        ("Fare table for islanders", "Add the islanders' discount to the fare table"),
        ("Round fares to ten cents", "Round all fares to ten cents, halves up"),
        ("Compare fares with last year", "Compare this summer's fares with last year's"),
    ),
}
FOLLOW_UPS = (
    "Looks good, now the tests",
    "Why does the second case fail?",
    "Please keep the old name as an alias",
    "Can you make that shorter?",
    "Run everything once more and commit",
    "Explain the last change to me",
)
SAID = (
    "I will look at the code first.",
    "The cause is in the parsing step.",
    "Now the test for it.",
    "That works; one more case to cover.",
    "Let me check how it is used elsewhere.",
)
DONE = (
    "Done: the change is in place and the tests pass.",
    "Finished. Two tests were added.",
    "That is fixed; the cause was an off-by-one in the loop.",
    "All set. I left a note in the changelog.",
)
NIGHTLY = ("Nightly checks", "Run the nightly checks and report what is broken")
COMMANDS = ("make test", "make lint", "git status --short", "git diff --stat", "ls src")
FILES = ("src/main.py", "src/feed.py", "src/rules.py", "tests/test_rules.py", "README.md")
BUILTIN_COMMANDS = ("clear", "model", "cost", "compact")
