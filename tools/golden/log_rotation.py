"""Writes tests/cases/logging/rotation.txt: when Python's TimedRotatingFileHandler puts a
file aside, and the name it gives it.

Run: python3 tools/golden/log_rotation.py tests/cases/logging
Rows: TZ, when, interval, utc, atTime in seconds, t0 (the file begins), when it is due, the
end of its name, t1 (the line that finds it due), when the next one is due. Left out: where
the clock changes in between, with which Python 3.11 has an hour's trouble, and intervals of
several days, which it does not count.
"""
import datetime
import logging.handlers as handlers
import os
import random
import sys
import tempfile
import time

rng = random.Random(1)
ZONES = ['UTC', 'CET-1CEST,M3.5.0,M10.5.0/3', 'EST5EDT,M3.2.0,M11.1.0', 'IST-5:30',
         'LHST-10:30LHDT-11,M10.1.0,M4.1.0']
WHENS = ['S', 'M', 'H', 'D', 'h', 'd', 'MIDNIGHT', 'midnight'] + [f'W{i}' for i in range(7)]


def row(folder):
    zone, when = rng.choice(ZONES), rng.choice(WHENS)
    is_day = when.upper() == 'MIDNIGHT' or when[0] == 'W'
    interval = 1 if is_day else rng.choice([1, 1, 2, 5, 12, 30])
    utc = rng.random() < 0.3
    at = rng.choice([None, None, 13 * 3600 + 45 * 60, 1, 86399]) if is_day else None
    t0 = rng.randrange(1600000000, 1760000000)
    os.environ['TZ'] = zone
    time.tzset()
    handlers.time.time = lambda: t0
    path = os.path.join(folder, 'x.log')
    at_time = None if at is None else (datetime.datetime.min
                                       + datetime.timedelta(seconds=at)).time()
    handler = handlers.TimedRotatingFileHandler(path, when=when, interval=interval, utc=utc,
                                                atTime=at_time)
    due = handler.rolloverAt = handler.computeRollover(t0)
    t1 = due + rng.choice([0, 1, 59, 3600, 90000, 700000])
    handlers.time.time = lambda: t1
    handler.doRollover()
    handler.close()
    name, = [n for n in os.listdir(folder) if n != 'x.log']
    for file in os.listdir(folder):
        os.remove(os.path.join(folder, file))
    if not utc and (time.localtime(due - handler.interval).tm_isdst
                    != time.localtime(t1).tm_isdst):
        return None
    if is_day:
        clock = time.gmtime if utc else time.localtime
        for moment in (due, handler.rolloverAt):
            at_clock = clock(moment)
            second = at_clock.tm_hour * 3600 + at_clock.tm_min * 60 + at_clock.tm_sec
            if second != (at or 0):
                return None
    return '\t'.join(map(str, [zone, when, interval, int(utc), at or 0, t0, due,
                               name[len('x.log.'):], t1, handler.rolloverAt]))


def main():
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        while len(rows) < 300:
            made = row(folder)
            if made is not None:
                rows.append(made)
    with open(os.path.join(sys.argv[1], 'rotation.txt'), 'w', newline='\n') as f:
        f.write('\n'.join(rows) + '\n')


main()
