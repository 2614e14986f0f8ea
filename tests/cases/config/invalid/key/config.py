d = dict(learning_rate=1)
x = dict(y=[d['learning_rat']])
