_base_ = './_base_/modle.py'
