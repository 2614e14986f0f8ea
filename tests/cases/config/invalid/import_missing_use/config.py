import json
a = json.loads('{}')
