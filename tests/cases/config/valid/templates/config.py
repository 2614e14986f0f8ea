_base_ = ['base.py']
whole = {{_base_.item}}
deep = {{ _base_.item.a }}
inside = dict(x=[{{_base_.word}}, ({{_base_.num}}, 1)], y={{ _base_.item.t }})
name = '{{fileBasename}}'
stem = 'work/{{ fileBasenameNoExtension }}{{fileExtname}}'
env = '{{$MM_NO_SUCH_VARIABLE:default/path}}/x'
number = {{'$MM_NO_SUCH_VARIABLE:80'}} + 1
blank = '{{ $MM_NO_SUCH_VARIABLE:v }}'
again = whole
item = dict(t='replaced')
# {{fileBasename}} in a comment
left = '{{ notATemplate }}'
