#!/usr/bin/env python3
"""Tables of torch.autograd.profiler_util over events made up here: profiles.py OUT.json

Random trees of calls on two threads, with sizes, bytes and operations. Needs torch.
"""
import json
import random
import sys

from torch.autograd.profiler_util import EventList, FunctionEvent

NAMES = ['aten::conv2d', 'aten::relu', 'aten::empty', 'aten::add', 'forward', 'ConvolutionBackward0',
         'a name that is so long that no table will show all of its letters: ' + 'x' * 40]
SHAPES = ['[]', '[[2, 3, 8, 8], [8, 3, 3, 3], [8]]', '[[4], []]', '[' + ', '.join(['[1, 2, 3]'] * 30) + ']']
SHAPES_FLAG, MEMORY_FLAG, FLOPS_FLAG = 1, 2, 4


def make_calls(draw, begin, end, depth, thread, scale, out):
    at = begin
    while at < end - 20:
        first = at + draw.randrange(1, 9)
        last = min(end - 1, first + draw.randrange(10, max(12, (end - begin) // 2)))
        if last <= first:
            return
        name = draw.choice(NAMES)
        out.append(dict(name=name, shapes=draw.choice(SHAPES), begin=first * scale, end=last * scale, thread=thread,
                        bytes=draw.choice([0, 0, 512, -512, 3000, 5 << 20, -(7 << 30)]),
                        flops=draw.choice([0, 0, 62208, 10 ** 7]), is_range=name == 'forward'))
        if depth < 3:
            make_calls(draw, first, last, depth + 1, thread, scale, out)
        at = last


def torch_events(calls, flags):
    events = EventList(profile_memory=bool(flags & MEMORY_FLAG), with_flops=bool(flags & FLOPS_FLAG))
    for number, call in enumerate(sorted(calls, key=lambda call: (call['begin'], -call['end']))):
        events.append(FunctionEvent(
            id=number, name=call['name'], thread=call['thread'], start_us=call['begin'] / 1000,
            end_us=call['end'] / 1000, input_shapes=json.loads(call['shapes']) if flags & SHAPES_FLAG else [],
            stack=[], cpu_memory_usage=call['bytes'], flops=call['flops'] if flags & FLOPS_FLAG else 0))
    events._build_tree()
    return events


ARGS = [{}, dict(sort_by='self_cpu_time_total'), dict(sort_by='cpu_time_total', row_limit=3),
        dict(sort_by='cpu_time', time_unit='ms'), dict(sort_by='count', header='a header'),
        dict(sort_by='cpu_memory_usage', time_unit='us'), dict(sort_by='cuda_time_total', max_name_column_width=20),
        dict(top_level_events_only=True), dict(group_by_input_shape=True, row_limit=6),
        dict(group_by_input_shape=True, max_shapes_column_width=30, sort_by='self_cpu_memory_usage', time_unit='s')]


def tables(events):
    for args in ARGS:
        options = dict(args)
        rows = events.key_averages(group_by_input_shapes=options.pop('group_by_input_shape', False))
        yield dict(args=args, text=rows.table(**options))


def main(out):
    draw = random.Random(11)
    profiles = []
    for flags, scale in [(SHAPES_FLAG | MEMORY_FLAG | FLOPS_FLAG, 1000), (SHAPES_FLAG, 20000), (0, 2000000),
                         (FLOPS_FLAG | SHAPES_FLAG, 3000)]:
        calls = []
        for thread in (1, 2):
            make_calls(draw, 0, 2000, 0, thread, scale, calls)
        for call in calls:
            if not flags & SHAPES_FLAG:
                call['shapes'] = '[]'
            if not flags & FLOPS_FLAG:
                call['flops'] = 0
            if not flags & MEMORY_FLAG:
                call['bytes'] = 0
        profiles.append(dict(flags=flags, events=calls, tables=list(tables(torch_events(calls, flags)))))
    with open(out, 'w') as file:
        json.dump(dict(source='tools/golden/profiles.py, torch 2.13.0, seed 11', profiles=profiles), file, indent=0)
        file.write('\n')


if __name__ == '__main__':
    main(sys.argv[1])
